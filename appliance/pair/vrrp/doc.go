// Package vrrp is a pair's presence at a port: it says that the box lives (VRRP version 3, RFC 9568) and hears the other one say so, has the virtual
// addresses while the box is active, asks the network who has them, and watches the wire.
//
// It owns the sockets at the port, and the virtual addresses in the kernel. It does not own who is active (package election) nor what follows from
// that (package duty).
//
// A virtual address is in the kernel for a second or so, and is renewed again and again while the box's term runs. A box that hangs or is killed loses
// it by the kernel's own hand, before or soon after the other box takes it. It stands there alone (/32): the network belongs to the box's own address,
// which is also what the kernel puts into its ARP requests, so only announcements tell the network where a virtual address is.
//
// Goroutines, for each Port: port.run, which owns all that changes, and four that read its sockets while the device is there, for which it waits.
package vrrp
