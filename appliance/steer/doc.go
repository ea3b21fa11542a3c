// Package steer lets all media ports of a thread share one receiving socket, so that one system call takes the packets of hundreds of
// calls.
//
// A program in the kernel runs where the socket of a packet is looked up (BPF_PROG_TYPE_SK_LOOKUP, Linux 5.11 with all that it calls),
// behind the firewall's input chain. It finds the port's entry by local address and port, checks that the entry admits the sender, and gives
// the packet to the thread's socket, which tells the address that the packet was sent to (IP_RECVORIGDSTADDR). Packets of
// strangers are counted in the entry and end in a socket that drops everything, so a flood reaches no queue. Packets for other ports go the ordinary way.
//
// The package owns the program, its maps and the shared sockets. It does not own the ports themselves, nor who may send to them: package
// media does. The socket that a port is bound to stays empty: it keeps others from taking the port.
//
// It needs CAP_BPF and CAP_NET_ADMIN, which a user namespace does not give. It has no goroutines.
package steer
