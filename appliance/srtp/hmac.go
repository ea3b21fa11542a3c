package srtp

import (
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"hash"
)

// Of HMAC's four or five compressions per packet two are over the padded key. They are done once per key: the kept state is the
// chaining value after them, 20 octets each, and put back into the one hash of a thread for every packet.

// stateMagic and so on are the layout of an encoded SHA-1 state (hash.Hash with encoding.BinaryMarshaler): magic, chaining value, unused
// block, length. TestHMACAgainstTheStandardLibrary notices should it ever change.
const (
	stateMagic  = "sha\x01"
	stateValue  = len(stateMagic)
	stateLength = stateValue + sha1.Size + sha1.BlockSize
	stateSize   = stateLength + 8
)

// hmacStates are the chaining values after HMAC's inner and outer padded key (RFC 2104).
func hmacStates(key []byte) (inner, outer [sha1.Size]byte) {
	chain := func(pad byte) (value [sha1.Size]byte) {
		var block [sha1.BlockSize]byte
		copy(block[:], key)
		for i := range block {
			block[i] ^= pad
		}
		h := sha1.New()
		h.Write(block[:])
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil || len(state) != stateSize {
			panic("crypto/sha1: encoded state has an unknown layout")
		}
		copy(value[:], state[stateValue:])
		return value
	}
	return chain(0x36), chain(0x5c)
}

// authenticator computes HMAC-SHA1 without allocating. One belongs to each thread.
type authenticator struct {
	hash  hash.Hash
	load  func([]byte) error
	state [stateSize]byte
	sum   [sha1.Size]byte
	last  [4]byte
}

func newAuthenticator() *authenticator {
	a := &authenticator{hash: sha1.New()}
	a.load = a.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary
	copy(a.state[:], stateMagic)
	binary.BigEndian.PutUint64(a.state[stateLength:], sha1.BlockSize)
	return a
}

func (a *authenticator) begin(value *[sha1.Size]byte) {
	copy(a.state[stateValue:], value[:])
	if a.load(a.state[:]) != nil {
		panic("crypto/sha1: does not take its own state") // checked by hmacStates
	}
}

// tag is HMAC over message, and, for SRTP, over the roll-over counter after it (RFC 3711 section 4.2). The result is valid
// until the next call.
func (a *authenticator) tag(h *sessionKeys, message []byte, roc uint32, withROC bool) []byte {
	a.begin(&h.inner)
	a.hash.Write(message)
	if withROC {
		binary.BigEndian.PutUint32(a.last[:], roc)
		a.hash.Write(a.last[:])
	}
	a.hash.Sum(a.sum[:0])
	a.begin(&h.outer)
	a.hash.Write(a.sum[:])
	return a.hash.Sum(a.sum[:0])
}
