package sipevent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// subject is who is watched: a user of a presence-service ("": none), an identity of phones of a location-service ("": none), the identity that the PBX
// tells of ("": none). It is one person.
type subject struct{ service, location, identity, line string }

// identities are those whose changes concern it.
func (s subject) identities() []string {
	if s.line == "" || s.line == s.identity {
		return []string{s.identity}
	}
	return []string{s.identity, s.line}
}

// watcher is a subscription of a peer. It belongs to who holds the lock of its notifier. It is told one thing at a time: a change that comes while a
// NOTIFY is under way is told afterwards, as it is then.
type watcher struct {
	agent   *Agent
	key     names
	iface   config.InterfaceID
	peer    siptransport.Target // who subscribed
	phone   string              // the identity as which it did; "": it is no phone
	dialog  *sipdialog.Event
	subject subject
	user    string // as the peer calls him
	entity  string // likewise, as an address
	host    string // of that address: ours, as the peer calls us
	event   string
	id      string // of several subscriptions in the eyes of the peer; "": none

	since, expires time.Time
	timer          *time.Timer // at expires
	version        uint64      // of the next document
	told           sight
	shown          []string // ids of dialogs that it was told of
	notified       uint64

	progress
}

// progress is how far a watcher is.
type progress struct {
	state   watcherState
	reason  string // why it ends
	asked   bool   // it is to be told how the user is, whether that has changed or not
	telling bool   // a NOTIFY is under way
	resting bool   // it wants to be left alone for now, or its SUBSCRIBE has not been answered yet
	queued  bool   // it is among those who are due
}

// watcherState is how far a subscription is.
type watcherState uint8

const (
	watcherActive  watcherState = iota
	watcherEnding               // it is over, and the watcher is to be told
	watcherParting              // the NOTIFY that says so is under way
	watcherGone
)

// stale reports whether a NOTIFY is to be sent.
func (w *watcher) stale() bool {
	switch {
	case w.telling || w.state > watcherEnding:
		return false
	case w.state == watcherEnding:
		return true
	case w.resting:
		return false
	}
	return w.asked || w.told != sees(w.event, w.agent.how(w.subject, w.event))
}

// document writes the next NOTIFY, which always has the whole state.
func (w *watcher) document() (*sip.Request, siptransport.Target, error) {
	v := w.agent.how(w.subject, w.event)
	event, state := w.event, "active;expires="+seconds(max(time.Until(w.expires), time.Second))
	if w.id != "" {
		event += ";id=" + w.id
	}
	if w.state == watcherEnding {
		w.state, state = watcherParting, "terminated;reason="+w.reason
	}
	w.told, w.asked, w.telling = sees(w.event, v), false, true
	var body []byte
	kind := events[w.event].document
	switch {
	case w.event == eventDialog:
		body = w.dialogs(v).Bytes()
	case w.event == eventPresence:
		body = w.presence(v).Bytes()
	case v.known:
		body = v.at(w.host).Bytes()
	default:
		kind = "" // the PBX has not said yet: a lamp that is lit must not go out
	}
	w.version++
	return w.dialog.Request(sip.NOTIFY, kind, body, sipmsg.Header{Name: "Event", Value: event}, sipmsg.Header{Name: "Subscription-State", Value: state})
}

// begin makes a watcher, or returns the code that refuses it. It is told nothing before begun.
func (n *notifier) begin(r *sipgw.ServerRequest, whom subject, user, event string, life time.Duration) (*watcher, int) {
	id := parameter(r.Header("Event"), "id")
	if len(id) > dialoginfo.MaxText || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) }) {
		return nil, 400
	}
	dialog, ok := r.EventDialog(strings.Clone(user))
	if !ok {
		return nil, 400
	}
	peer, now := r.Peer(), time.Now()
	host := siptransport.Target{Host: printable.Short(sipmsg.SplitURI(r.URI).Host, dialoginfo.MaxText)}.String()
	most := mostOfSource
	if !r.Interface.Phones.IsZero() {
		most = mostOfPhone
	}
	w := &watcher{agent: n.agent, iface: r.Interface.ID(), peer: peer, phone: strings.Clone(r.Identity), dialog: dialog, subject: whom, user: strings.Clone(user), event: strings.Clone(event), id: strings.Clone(id),
		entity: "sip:" + user + "@" + host, host: host, since: now, expires: now.Add(life), progress: progress{resting: true}}
	w.key.callID, w.key.tag = dialog.Names()

	n.mu.Lock()
	defer n.mu.Unlock()
	full := n.ended || slices.ContainsFunc(w.sources(), func(s string) bool { return n.bySource[s] >= most })
	if !full && n.agent.watching.Add(1) > mostWatchers {
		n.agent.watching.Add(-1)
		full = true
	}
	if full {
		if now.Sub(n.shed) >= time.Hour && !n.ended {
			n.shed = now
			n.log.Warn("subscriptions of peers are refused: there are too many", "peer", peer.Host)
		}
		return nil, 503
	}
	w.timer = time.AfterFunc(mostLife, func() { n.expired(w) })
	n.watchers[w.key] = w
	for _, s := range w.sources() {
		n.bySource[s]++
	}
	for _, identity := range whom.identities() {
		if n.subjects[identity] == nil {
			n.subjects[identity] = map[*watcher]bool{}
		}
		n.subjects[identity][w] = true
	}
	return w, 0
}

// sources are whose room it takes: that of its address and, at any number of addresses, of the phone's identity.
func (w *watcher) sources() []string {
	if w.phone == "" {
		return []string{w.peer.Host}
	}
	return []string{w.peer.Host, "identity " + w.phone}
}

// begun has a watcher told how the user is, once its SUBSCRIBE is answered.
func (n *notifier) begun(w *watcher, life time.Duration) {
	serves := n.agent.mayWatch(w, n.spec.gateway) // the configuration may have changed since
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.state != watcherActive {
		return
	}
	w.resting, w.asked = false, true
	w.timer.Reset(life)
	switch {
	case !serves:
		n.over(w, "deactivated")
	case life == 0: // it was only a question
		n.over(w, "timeout")
	}
	n.tell(w)
}

// refreshed handles a SUBSCRIBE in the dialog of a subscription.
func (n *notifier) refreshed(r *sipgw.ServerRequest) {
	life, _ := lifeOf(r)
	w, code, h := n.refresh(r, life)
	r.Respond(code, h...)
	if w != nil {
		n.begun(w, life)
	}
}

// refresh does so, and returns the response, and the watcher if it is to be told.
func (n *notifier) refresh(r *sipgw.ServerRequest, life time.Duration) (*watcher, int, []sipmsg.Header) {
	callID, tag := r.Names()
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.watchers[names{callID, tag}]
	switch {
	case w == nil || w.state != watcherActive:
		return nil, 481, nil
	case !r.From(w.peer) && w.subject.location != "":
		return nil, 481, nil // a phone that has got another address begins anew
	case !r.From(w.peer):
		return nil, 403, nil
	case word(r.Header("Event")) != w.event || parameter(r.Header("Event"), "id") != w.id:
		return nil, 489, []sipmsg.Header{{Name: "Allow-Events", Value: w.event}} // one subscription a dialog (RFC 6665 4.5.1)
	case life > 0 && life < leastLife:
		return nil, 423, tooBrief
	}
	if code := w.dialog.Heard(r.Request); code != 0 {
		return nil, code, nil
	}
	w.dialog.Moves(r.Arrival())
	w.expires = time.Now().Add(life)
	return w, 200, []sipmsg.Header{w.dialog.Contact(), {Name: "Expires", Value: seconds(life)}}
}

// Watchers tells who has subscribed here, by interface, peer and user.
func (a *Agent) Watchers() []status.Watcher {
	list := make([]status.Watcher, 0)
	for _, n := range a.notifiers.Workers() {
		n.mu.Lock()
		for _, w := range n.watchers {
			list = append(list, status.Watcher{Interface: w.iface.String(), Peer: w.peer.Host, User: w.user, Identity: w.subject.identity, Event: w.event, Busy: w.told.busy,
				Ringing: w.told.ringing, Waiting: w.told.known && w.told.summary.Waiting, Since: w.since, Expires: w.expires, Notified: w.notified})
		}
		n.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b status.Watcher) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.User, b.User), cmp.Compare(a.Event, b.Event), a.Since.Compare(b.Since))
	})
	return list
}
