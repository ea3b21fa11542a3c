// Package lab is a small world around a box: the networks on both its ports and
// everything that a box talks to there. It serves `make run` and the tests.
//
// A World owns three network namespaces (box, lan, wan) joined by two veth pairs,
// and in them a name server, a time server, a simulated STARFACE on the LAN and
// a simulated Microsoft Teams with three hubs on the WAN. The box itself is not
// part of a world: its programs are started inside the box namespace by StartBox,
// or a test opens sockets there by itself. A DHCP server and a Sniffer of packets
// stand ready for tests that want one.
//
// The simulated peers are strict on purpose. They share no code with the box's
// own SIP, SDP and RTP, they refuse what the real ones refuse, and they say why:
// in the response, through Options.Tell, and in Refusals.
//
// Goroutines: every simulated peer has one that owns its transactions, dialogs
// and calls, and one a socket that reads and posts; every audio stream has one
// that sends and one a socket that receives; every namespace has one that keeps
// its thread, which starts its processes. Close waits for all of them.
package lab
