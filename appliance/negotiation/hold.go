package negotiation

import "viaduct/appliance/sdp"

// hold is the direction that each end wants.
type hold struct {
	wanted   sdp.Direction // what a re-INVITE of ours should offer
	offered  sdp.Direction // what the last one for hold or resume has offered
	refusals int           // of such, since the last that was taken
	holds    bool          // the peer has put the call on hold
	plays    bool          // and may send music meanwhile
}

// mostRefusals is the number of offers of hold or resume after passing refusals.
const mostRefusals = 10

// Wanted is the direction to offer the peer. "": none was asked for.
func (n *Negotiation) Wanted() sdp.Direction { return n.wanted }

// Want notes the direction to offer the peer, and reports whether an offer is due. None is due when the peer has that direction, or
// while a re-INVITE is under way; after its end the wish is looked at again.
func (n *Negotiation) Want(d sdp.Direction) bool {
	n.wanted = d
	return n.local != nil && n.change == NoChange && d != "" && n.local.Audio.Direction != d
}

// Accepted notes that the peer has answered an offer of ours.
func (n *Negotiation) Accepted() { n.refusals = 0 }

// Refused notes that the peer has refused an offer of ours, for a passing reason or for good. Now: another direction is wanted by
// now and can be offered at once. Later: the same offer is worth another try.
func (n *Negotiation) Refused(passes bool) (now, later bool) {
	if n.local == nil || n.wanted == "" || n.local.Audio.Direction == n.wanted {
		return false, false
	}
	if n.wanted != n.offered {
		return true, false
	}
	n.refusals++
	return false, passes && n.refusals <= mostRefusals
}

// PeerHolds reports whether the peer holds the call, PeerPlays whether it may send music meanwhile.
func (n *Negotiation) PeerHolds() bool { return n.holds }
func (n *Negotiation) PeerPlays() bool { return n.plays }

// TakeHold reads hold from the peer's last description.
func (n *Negotiation) TakeHold() {
	n.holds = held(n.remote)
	n.plays = n.holds && n.remote.Audio.Direction.CanSend()
}

// Contradicts reports whether the answer to a sendrecv offer of ours disagrees with the hold that the peer asked for before. A peer
// whose own offer was refused, because it met ours, says in this way that it holds or resumes.
func (n *Negotiation) Contradicts() bool {
	return n.local.Audio.Direction == sdp.SendRecv && held(n.remote) != n.holds
}

// held reports whether the sender of a description holds the call: it wants to hear nothing. A peer that only listens (recvonly)
// does not hold it.
func held(s *sdp.Session) bool { return s.Audio.Held || !s.Audio.Direction.CanReceive() }
