// Package siptransport carries SIP messages between gateways and their peers (RFC 3261 18): sockets, connections and their TLS, names and
// addresses, the local address that each peer is told, whom a gateway listens to and how much of each.
//
// A Gate is that of one gateway. It hands on each message in the order of its socket or connection, and it sends bytes; what a message
// means is told by package sipmsg, and what becomes of it by package sipgw.
//
// Goroutines: one read loop per UDP socket, listener and connection, one writer per connection, one dialler per connection that is being
// opened, one that keeps the names of the peers known. New is given the function that starts them, and whoever called it waits for them.
// Sending never blocks on the network: messages wait in a queue with a bound. Locks: that of the connections, then that of one
// connection; those of sockets, addresses, resolutions, senders and Repeats alone.
package siptransport
