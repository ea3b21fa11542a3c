package media

import (
	"time"

	"viaduct/appliance/srtp"
)

// security is SRTP of a side: the keys of both directions, and the state of the peer's streams. Roll-over and replay of our own stream are
// with it (stream).
type security struct {
	rx, tx   *srtp.Keys   // nil: plain
	previous *previousKey // before rx, until the first packet under rx; nil: none
	uses     uint32       // counts uses of streams
	warned   bool         // the call knows: KeyUsed
	doubt    uint8        // after a restore: so many packets are also tried with the next roll-over counter
	streams  [4]inbound   // of the peer's SSRCs under rx
	lifetime uint64       // packets that tx may protect, 0: no limit was agreed
}

// inbound is what SRTP keeps of a peer's SSRC. An entry is made for authentic packets only.
type inbound struct {
	ssrc      uint32
	used      uint32 // the last use, 0: free
	rtp, rtcp srtp.Window
}

// setLocal replaces the key that we send with.
func (s *security) setLocal(k *srtp.Keys) { s.tx, s.warned = k, false }

// setPeer replaces the key that the peer sends with. A peer that has moved is another one: its old key ends at once.
func (s *security) setPeer(k *srtp.Keys, moved bool, now time.Duration) {
	s.previous = nil
	if s.rx != nil && k != nil && !moved {
		s.previous = &previousKey{s.rx, s.streams, now + previousKeyLife}
	}
	s.rx, s.streams, s.uses, s.doubt = k, [4]inbound{}, 0, 0
}

// usedUp reports whether the key that we send with should be replaced.
func (s *security) usedUp(packets uint64) bool {
	return s.tx != nil && s.lifetime > 0 && packets >= s.lifetime-s.lifetime/4
}

// inbound finds the state of an SSRC. An unknown one gets an empty state that is not yet in the table.
func (s *security) inbound(ssrc uint32, empty *inbound) *inbound {
	for i := range s.streams {
		if e := &s.streams[i]; e.used != 0 && e.ssrc == ssrc {
			return e
		}
	}
	*empty = inbound{ssrc: ssrc}
	return empty
}

// keep puts the state of an authentic packet into the table, in place of the entry that was unused for longest.
func (s *security) keep(state *inbound) {
	s.uses++
	state.used = s.uses
	oldest := &s.streams[0]
	for i := range s.streams {
		e := &s.streams[i]
		if e == state {
			return
		}
		if e.used < oldest.used {
			oldest = e
		}
	}
	*oldest = *state
}

// authentic checks and decrypts an SRTP packet.
func (t *thread) authentic(l *leg, p []byte, header int, ssrc uint32, seq uint16) (n int, ok bool) {
	k := &l.keys
	state := k.inbound(ssrc, &t.empty)
	index, ok := state.rtp.Estimate(seq)
	fresh := ok && state.rtp.Check(index) == srtp.Fresh
	if !fresh && k.doubt == 0 {
		l.stats.Replayed++
		return 0, false
	}
	// The first packet that we hear may come after a roll-over: the peer began near 65535 and its first packets were lost, or another box
	// heard them.
	rolled := !state.rtp.Started() && seq < 1<<14 || k.doubt > 0
	var kept []byte
	if rolled || k.previous != nil {
		kept = t.crypt.Keep(k.rx, p)
	}
	if fresh {
		n, ok = t.crypt.Unprotect(k.rx, p, header, index)
	}
	if (!fresh || !ok) && rolled {
		copy(p, kept)
		index += 1 << 16
		n, ok = t.crypt.Unprotect(k.rx, p, header, index)
	}
	if !ok && k.previous != nil && t.now < k.previous.until {
		copy(p, kept)
		if n, ok = k.previous.unprotect(t.crypt, p, header, ssrc, seq); ok {
			return n, true
		}
	}
	if !ok {
		l.stats.AuthFailed++
		k.doubt = max(k.doubt, 1) - 1
		return 0, false
	}
	k.previous, k.doubt = nil, 0
	state.rtp.Mark(index)
	k.keep(state)
	return n, true
}

// previousKey is the key that a peer used before the present one, with its streams. A peer that offers a new key goes on with the old one
// until our answer has come, a round trip or more, and that voice must not be lost. The first packet under the new key ends it. So does time:
// somebody else may have learnt the old key, and a silent peer would leave it valid.
type previousKey struct {
	keys    *srtp.Keys
	streams [4]inbound
	until   time.Duration // of thread.now
}

// previousKeyLife is how long an answer is repeated until its ACK comes (timer H of RFC 3261).
const previousKeyLife = 32 * time.Second

// unprotect checks and decrypts a packet of a stream that was under way before the key changed.
func (k *previousKey) unprotect(c *srtp.Crypter, p []byte, header int, ssrc uint32, seq uint16) (n int, ok bool) {
	for i := range k.streams {
		state := &k.streams[i]
		if state.used == 0 || state.ssrc != ssrc {
			continue
		}
		index, ok := state.rtp.Estimate(seq)
		if !ok || state.rtp.Check(index) != srtp.Fresh {
			return 0, false
		}
		if n, ok = c.Unprotect(k.keys, p, header, index); ok {
			state.rtp.Mark(index)
		}
		return n, ok
	}
	return 0, false
}
