package negotiation

import "viaduct/appliance/sdp"

// Change is what a re-INVITE of ours is for.
type Change uint8

const (
	NoChange Change = iota
	ForHold         // hold and resume
	ForKey          // a fresh key for the packets that we send
	ForCodec        // the codecs of another peer
)

// reinvite is the re-INVITE of ours that is under way, and what waits for its end. There is one at a time.
type reinvite struct {
	change Change
	like   *sdp.Choice   // for ForCodec
	before *agreement    // what was agreed before its offer; nil: that has not been sent
	done   func(ok bool) // is told how it went, may be nil
	later  []func()      // what waits for its end
	keyDue bool          // our key is to be renewed then
}

// BeginReinvite says that a re-INVITE of ours goes out. False: one is under way; a new key follows it by itself. Like are the codecs that
// ForCodec asks for. Done, which may be nil, is told how it went.
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

// Reoffer is the offer of the re-INVITE under way, made when it is sent: each time that it is, because it may meet one of the peer.
// Toward is the direction that the other side of the call wants. What was agreed until now goes on when the offer is refused
// (RFC 3261 14.1).
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

// Withdraw takes back an offer of ours that was refused, also one that waits to be made again because it met an offer of the peer.
func (n *Negotiation) Withdraw() {
	if n.before != nil {
		n.agreement, n.before = *n.before, nil
	}
}

// FinishReinvite is the end of the re-INVITE under way. Renew renews a key that was due meanwhile; then what waits goes on.
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

// AfterReinvite keeps f for the end of the re-INVITE under way. False: there is none.
func (n *Negotiation) AfterReinvite(f func()) bool {
	if n.change == NoChange {
		return false
	}
	n.later = append(n.later, f)
	return true
}

// AbandonReinvite forgets the re-INVITE under way, because the peer is gone, and returns what is to be told so.
func (n *Negotiation) AbandonReinvite() (told []func()) {
	if done := n.done; done != nil {
		told = append(told, func() { done(false) })
	}
	told = append(told, n.later...)
	n.change, n.like, n.before, n.done, n.later = NoChange, nil, nil, nil, nil
	return told
}
