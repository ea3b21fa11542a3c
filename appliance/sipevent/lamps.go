package sipevent

import (
	"hash/maphash"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"
)

// What a lamp shows comes from three: the box's own calls with its phones, what the PBX tells of the same person, and how a Teams user is.

// origin is one of the sources at the PBX that tell of an identity.
type origin struct {
	identity string
	from     Origin
}

// Dialog takes how a dialog of one of the box's phones is now, as the phone sees it; Terminated ends it. The URI of its Remote is the number or name that the phone is
// told, "" when it is withheld. It may be called from any goroutine, and never waits.
func (a *Agent) Dialog(location, identity string, d dialoginfo.Dialog) {
	a.mu.Lock()
	if a.noteDialog(phone{location, identity}, d) {
		a.moved = append(a.moved, identity)
	}
	a.release()
}

// noteDialog does so, and reports whether anything has changed. The lock is held. Lists are never changed: those who write a document may hold one.
func (a *Agent) noteDialog(p phone, d dialoginfo.Dialog) bool {
	if d.Remote.URI == "" {
		d.Remote.URI = "anonymous" // a key picks calls up only if there is somebody at the other side
	}
	list := a.calls[p]
	n := slices.IndexFunc(list, func(x dialoginfo.Dialog) bool { return x.ID == d.ID })
	switch {
	case d.State == dialoginfo.Terminated && n < 0, n >= 0 && list[n] == d, n < 0 && len(list) >= dialoginfo.MaxDialogs:
		return false
	case d.State == dialoginfo.Terminated && len(list) == 1:
		delete(a.calls, p)
		return true
	case d.State == dialoginfo.Terminated:
		list = slices.Delete(slices.Clone(list), n, n+1)
	case n >= 0:
		list = slices.Clone(list)
		list[n] = d
	default:
		list = append(slices.Clip(list), d)
	}
	a.calls[p] = list
	return true
}

// heard notes what a PBX tells of the calls of an identity; known is false when it tells nothing any more. The lock is held, and ends with release.
func (a *Agent) heard(identity string, from Origin, known bool, dialogs []dialoginfo.Dialog) {
	key := origin{identity, from}
	was, had := a.lines[key]
	if had == known && slices.Equal(was, dialogs) {
		return
	}
	if known {
		a.lines[key] = dialogs
	} else {
		delete(a.lines, key)
	}
	a.moved = append(a.moved, identity)
}

// line notes what a subscription tells.
func (a *Agent) line(identity string, known bool, dialogs []dialoginfo.Dialog) {
	a.mu.Lock()
	a.heard(identity, FromSubscription, known, dialogs)
	a.release()
}

// release ends the lock, and has those told who watch what has changed under it.
func (a *Agent) release() {
	moved := a.moved
	a.moved = nil
	a.mu.Unlock()
	if len(moved) == 0 {
		return
	}
	for _, n := range a.notifiers.Workers() {
		n.changed(moved)
	}
}

// view is all that is known of a subject for the watchers of one event.
type view struct {
	user    Publication // of a presence-service
	dialogs []dialoginfo.Dialog
	mailbox
}

// how is what is known of a subject.
func (a *Agent) how(s subject, event string) view {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := phone{s.location, s.identity}
	if event == eventMessages {
		return view{mailbox: a.mail[p]}
	}
	v := view{user: a.users[s.service][s.identity]}
	if v.user.Busy {
		v.dialogs = append(v.dialogs, dialoginfo.Dialog{ID: teamsDialog, State: dialoginfo.Confirmed})
	}
	v.dialogs = append(v.dialogs, a.calls[p]...)
	for _, from := range []Origin{FromSubscription, FromPublication} {
		for _, d := range a.lines[origin{s.line, from}] {
			if s.line == "" || len(v.dialogs) >= dialoginfo.MaxDialogs {
				break
			}
			// The ids of a dialog at the PBX are not told: an INVITE with Replaces would come here, where nobody has it.
			v.dialogs = append(v.dialogs, dialoginfo.Dialog{ID: "pbx-" + d.ID, Direction: d.Direction, State: d.State, Remote: dialoginfo.Party{URI: sipmsg.SplitURI(d.Remote.URI).User, Name: d.Remote.Name}})
		}
	}
	return v
}

const teamsDialog = "teams" // the id of what stands for a call in Teams

// sight is what a watcher sees. Two that are equal look the same.
type sight struct {
	busy    bool
	ringing bool
	state   config.PresenceState // of a busy user of Teams, in the event presence
	sum     uint64               // of the dialogs, in the event dialog
	mailbox
}

var seed = maphash.MakeSeed()

// sees is what the documents of an event tell.
func sees(event string, v view) sight {
	s := sight{mailbox: v.mailbox}
	var h maphash.Hash
	h.SetSeed(seed)
	for _, d := range v.dialogs {
		s.busy = s.busy || d.Talks()
		s.ringing = s.ringing || d.State == dialoginfo.Early && d.Direction == dialoginfo.Recipient
		maphash.WriteComparable(&h, d)
	}
	switch {
	case event == eventDialog && len(v.dialogs) > 0:
		s.sum = h.Sum64()
	case event == eventPresence && v.user.Busy:
		s.state = v.user.State
	}
	return s
}

// dialogs is the dialog-info document that a watcher is told next: all dialogs, and those that it was told of and that have ended since. Where there is
// neither, there is one that has ended, as an Asterisk writes it: some phones show a document without any dialog as a fault.
func (w *watcher) dialogs(v view) dialoginfo.Info {
	i := dialoginfo.Info{Version: w.version, Full: true, Entity: w.entity}
	var shown []string
	for _, d := range v.dialogs {
		shown = append(shown, d.ID)
		if d.ID != teamsDialog {
			d.Remote = w.address(d.Remote)
		}
		i.Dialogs = append(i.Dialogs, d)
	}
	for _, id := range w.shown {
		if !slices.Contains(shown, id) && len(i.Dialogs) < dialoginfo.MaxDialogs {
			i.Dialogs = append(i.Dialogs, dialoginfo.Dialog{ID: id, State: dialoginfo.Terminated})
		}
	}
	w.shown = shown
	if len(i.Dialogs) == 0 {
		i.Dialogs = []dialoginfo.Dialog{{ID: "none", State: dialoginfo.Terminated}}
	}
	return i
}

// presence is the PIDF document that a watcher is told next.
func (w *watcher) presence(v view) dialoginfo.Presence {
	d := presenceOf(w.entity, v.user)
	if d.Activity == "" && slices.ContainsFunc(v.dialogs, dialoginfo.Dialog.Talks) {
		d.Activity = dialoginfo.OnThePhone
	}
	return d
}

// address makes the other side of a dialog somebody whom the phone can call through the box: that is where its key sends the INVITE that picks a call up.
func (w *watcher) address(p dialoginfo.Party) dialoginfo.Party {
	if p == (dialoginfo.Party{}) {
		return p
	}
	user := printable.Short(p.URI, dialoginfo.MaxText)
	if user == "" || strings.ContainsFunc(user, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("<>\"@:;?", c) }) {
		user = "anonymous"
	}
	return dialoginfo.Party{URI: "sip:" + user + "@" + w.host, Name: p.Name}
}
