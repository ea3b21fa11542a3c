package negotiation

import "viaduct/appliance/sdp"

// State is a negotiation as a plain value: the agreement in force between the two peers. A re-INVITE of ours that is under way is
// not part of it, because another box cannot hear its answer. State has the agreement before it, and its purpose is still due.
// Functions that wait for its end (of a transfer, or of calls that are being joined) do not outlive the box either.
type State struct {
	SessionID uint64        `json:"session_id"`
	Version   uint64        `json:"version"`
	Local     *sdp.Session  `json:"local,omitempty"`
	Remote    *sdp.Session  `json:"remote,omitempty"`
	Choice    *sdp.Choice   `json:"choice,omitempty"`
	Keys      []sdp.Crypto  `json:"keys,omitempty"`
	LastTaken []byte        `json:"last_taken,omitempty"`
	Wanted    sdp.Direction `json:"wanted,omitempty"`
	Refusals  int           `json:"refusals,omitempty"`
	Holds     bool          `json:"holds,omitempty"`
	Plays     bool          `json:"plays,omitempty"`
	KeyDue    bool          `json:"key_due,omitempty"`
}

// Snapshot is the state at this moment. It shares descriptions, which never change.
func (n *Negotiation) Snapshot() State {
	a := n.agreement
	if n.before != nil {
		a = *n.before
	}
	return State{
		SessionID: n.sessionID, Version: n.version, Local: a.local, Remote: n.remote, Choice: n.choice, Keys: a.keys, LastTaken: a.lastTaken,
		Wanted: n.wanted, Refusals: n.refusals, Holds: n.holds, Plays: n.plays, KeyDue: n.keyDue || n.change == ForKey,
	}
}

// Restore makes the negotiation that a Snapshot was taken of.
func Restore(s State) Negotiation {
	return Negotiation{
		origin: origin{s.SessionID, s.Version}, agreement: agreement{local: s.Local, keys: s.Keys, lastTaken: s.LastTaken}, remote: s.Remote, choice: s.Choice,
		hold: hold{wanted: s.Wanted, refusals: s.Refusals, holds: s.Holds, plays: s.Plays}, reinvite: reinvite{keyDue: s.KeyDue},
	}
}
