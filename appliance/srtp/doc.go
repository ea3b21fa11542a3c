// Package srtp protects media packets (RFC 3711, RFC 7714): the suites, session keys made from a master key, and what one thread does with
// a packet.
//
// It owns the packet path of SRTP, because of what that costs: no allocation, AES expanded once, HMAC's padded keys hashed once. It owns
// no streams: roll-over counters and replay windows belong to the package that counts packets (media).
//
// It has no goroutines. Keys may be shared; a Crypter belongs to one thread.
package srtp
