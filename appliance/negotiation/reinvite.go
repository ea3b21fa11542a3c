package negotiation

import "viaduct/appliance/sdp"

// Change is the purpose of a re-INVITE of ours.
type Change uint8

const (
	NoChange Change = iota
	ForHold         // hold and resume
	ForKey          // a fresh key for the packets that we send
	ForCodec        // the codecs of another peer
)

// reinvite is our re-INVITE that is under way. There is one at a time; others wait for its end.
type reinvite struct {
	change Change
	like   *sdp.Choice   // for ForCodec
	before *agreement    // what was agreed before its offer; nil: that has not been sent
	done   func(ok bool) // is told how it went, may be nil
	later  []func()      // what waits for its end
	keyDue bool          // our key is to be renewed then
}

// BeginReinvite notes that a re-INVITE of ours goes out. It returns false when one is under way; a new key is then due at its end.
// ForCodec asks for the codecs of like. Done, which may be nil, is told the result.
func (n *Negotiation) BeginReinvite(change Change, like *sdp.Choice, done func(ok bool)) bool {
	if n.change != NoChange {
		n.keyDue = n.keyDue || change == ForKey
		return false
	}
	if change == ForKey {
		n.keyDue = false
	}
	n.change, n.like, n.done = change, like, done
	return true
}

// Offering reports whether a re-INVITE of ours is under way.
func (n *Negotiation) Offering() bool { return n.change != NoChange }

// Reoffer makes the offer of the re-INVITE under way. It is called each time that the re-INVITE is sent, which happens again after
// it has met one of the peer. Toward is the direction that the other side of the call wants. If the offer is refused, the agreement
// before it stays in force (RFC 3261 14.1).
func (n *Negotiation) Reoffer(t Terms, toward sdp.Direction) ([]byte, error) {
	n.Withdraw()
	before := n.agreement
	n.before = &before
	switch n.change {
	case ForKey:
		n.keys = nil
		return n.OfferAgain(t, toward)
	case ForCodec:
		return n.offerLike(t, n.like, toward)
	default:
		n.offered = n.wanted
		return n.OfferAgain(t, n.offered)
	}
}

// Withdraw takes an offer of ours back: the peer has refused it, or it has met an offer of the peer and will be made again.
func (n *Negotiation) Withdraw() {
	if n.before != nil {
		n.agreement, n.before = *n.before, nil
	}
}

// FinishReinvite ends the re-INVITE under way. It calls renew if a new key is due, and then the functions that wait.
func (n *Negotiation) FinishReinvite(ok bool, renew func()) {
	if !ok {
		n.Withdraw()
	}
	done := n.done
	n.change, n.like, n.before, n.done = NoChange, nil, nil, nil
	if done != nil {
		done(ok)
	}
	if n.keyDue {
		renew()
	}
	for n.change == NoChange && len(n.later) > 0 {
		f := n.later[0]
		n.later = n.later[1:]
		f()
	}
}

// AfterReinvite calls f at the end of the re-INVITE under way. False: there is none, and f is not called.
func (n *Negotiation) AfterReinvite(f func()) bool {
	if n.change == NoChange {
		return false
	}
	n.later = append(n.later, f)
	return true
}

// AbandonReinvite forgets the re-INVITE under way, because the peer is gone. The caller must call the functions that it returns:
// they were waiting.
func (n *Negotiation) AbandonReinvite() (told []func()) {
	if done := n.done; done != nil {
		told = append(told, func() { done(false) })
	}
	told = append(told, n.later...)
	n.change, n.like, n.before, n.done, n.later = NoChange, nil, nil, nil, nil
	return told
}
