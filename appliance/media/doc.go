// Package media relays RTP and RTCP between the two sides of a call, with SRTP where a side wants it.
//
// It owns the local UDP ports, the packets on them, the SRTP state of each stream, and the figures that it counts. It does not own offers and
// answers (package sdp), codecs (audio), cryptography (srtp), the program in the kernel (steer), or which calls there are (call): a call
// tells a session what was agreed with Set.
//
// A thread reads the packets of all its ports from one socket, to which steer gives them. Where the kernel does not permit that, each port's
// own socket is read. Everything else is the same. receive (packet.go) is the way of one packet, from a socket to the batch that leaves.
//
// Goroutines: each relay thread is one goroutine, which alone owns its sockets and the state of its sessions. Others give it commands through a
// queue and an eventfd (commands.go), so the path of a packet has no lock. One more goroutine delivers events to the calls and lines to the
// log, and asks the kernel for routes (direct.go). Relay.Run waits for all of them. A digit that is played has a timer, which Session.Close stops.
package media
