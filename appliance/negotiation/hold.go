package negotiation

import "viaduct/appliance/sdp"

// hold is what the two ends want of the direction.
type hold struct {
	wanted   sdp.Direction // what a re-INVITE of ours should offer
	offered  sdp.Direction // what the last one for hold or resume has offered
	refusals int           // of such, since the last that was taken
	holds    bool          // the peer has put the call on hold
	plays    bool          // and may send music meanwhile
}

// mostRefusals is how often an offer of hold or resume is made again after it was refused for a reason that passes.
const mostRefusals = 10

// Wanted is the direction that the peer should be offered; "": none was asked for.
func (n *Negotiation) Wanted() sdp.Direction { return n.wanted }

// Want notes the direction that the peer should be offered, and reports whether an offer is due: it has another one now, and no re-INVITE
// is under way, after which this is looked at again.
func (n *Negotiation) Want(d sdp.Direction) bool {
	n.wanted = d
	return n.local != nil && n.change == NoChange && d != "" && n.local.Audio.Direction != d
}

// Accepted notes that an offer of ours was answered.
func (n *Negotiation) Accepted() { n.refusals = 0 }

// Refused notes that an offer of ours was refused, for a reason that passes or for good. Now: something else is wanted by now and can be
// offered at once. Later: the same is worth another try.
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

// PeerHolds reports whether the peer has put the call on hold, PeerPlays whether it may send music meanwhile.
func (n *Negotiation) PeerHolds() bool { return n.holds }
func (n *Negotiation) PeerPlays() bool { return n.plays }

// TakeHold takes what the peer's last description says of hold.
func (n *Negotiation) TakeHold() {
	n.holds = held(n.remote)
	n.plays = n.holds && n.remote.Audio.Direction.CanSend()
}

// Contradicts reports whether the answer to a sendrecv offer of ours says something else of hold than what the peer said before. A peer
// whose own offer was refused, because the two met, says in this way what it wants.
func (n *Negotiation) Contradicts() bool {
	return n.local.Audio.Direction == sdp.SendRecv && held(n.remote) != n.holds
}

// held reports whether a description puts the call on hold: its sender wants to hear nothing. One that only listens (recvonly) does not.
func held(s *sdp.Session) bool { return s.Audio.Held || !s.Audio.Direction.CanReceive() }
