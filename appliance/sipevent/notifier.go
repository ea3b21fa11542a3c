package sipevent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Phones and PBXes may watch Teams users: they subscribe to the event dialog (RFC 4235) or presence (RFC 3856) of an identity, or of an extension,
// and are told with NOTIFY what a PBX is told with PUBLISH. Only a peer whose interface has `use presence-service` may do so. Phones that register here watch
// each other's calls, and those of extensions of the PBX, in the same way, and their own mailbox (message-summary, RFC 3842).

const (
	mostWatchers = 5000 // subscriptions of all peers
	mostOfSource = 3000 // of one address, which may be a proxy for many phones
	mostOfPhone  = 500  // of the address of a phone, which may be a base with many handsets, or have modules full of keys; and of an identity
)

// notifierSpec is what a notifier depends on.
type notifierSpec struct {
	via     sipdialog.Client
	gateway string
}

// Key is what stays the same.
func (p notifierSpec) Key() string { return p.gateway }

// wantedNotifiers are one for each gateway with an interface whose peer may watch, or is a phone.
func (a *Agent) wantedNotifiers(cfg *config.Config) (list []notifierSpec) {
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if via, runs := a.stack.Client(i.Gateway.Name); runs && (servedBy(cfg, i) != nil || !i.Phones.IsZero()) {
				list = append(list, notifierSpec{via, i.Gateway.Name})
			}
		}
	}
	return list
}

// notifier has the subscriptions of the peers of a gateway. Its goroutine sends, without its lock, so that nobody waits for a peer.
// What is to be done for requests, changes and answers is noted under the lock, which may be taken under that of a transaction; under it, that of the
// agent may be taken.
type notifier struct {
	agent *Agent
	spec  notifierSpec
	log   *slog.Logger
	kick  chan struct{}

	mu       sync.Mutex
	ended    bool
	shed     time.Time // when the log was last told of subscriptions beyond a bound
	watchers map[names]*watcher
	bySource map[string]int               // by address, and by identity
	subjects map[string]map[*watcher]bool // by identity: the one that is watched, and the one that it is at the PBX
	due      []*watcher                   // who is to be told something

	deliveries map[phone]*delivery // see post
}

func (a *Agent) newNotifier(spec notifierSpec, _ int) *notifier {
	return &notifier{agent: a, spec: spec, log: a.o.Log.With("gw", spec.gateway), kick: make(chan struct{}, 1),
		watchers: map[names]*watcher{}, bySource: map[string]int{}, subjects: map[string]map[*watcher]bool{}, deliveries: map[phone]*delivery{}}
}

// Replaced: nothing is left to a new notifier.
func (n *notifier) Replaced(notifierSpec) {}

// Run tells watchers what they do not know yet, until ctx ends; then it ends their subscriptions.
func (n *notifier) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-n.kick:
			n.send()
			n.post()
		}
	}
	n.part()
}

// part ends all subscriptions. A watcher that is still about to answer is told when it has answered, if that is soon.
func (n *notifier) part() {
	timer := time.NewTimer(partingTime)
	defer timer.Stop()
	for left := n.close(); left > 0; {
		n.send()
		select {
		case <-timer.C:
			left = 0
		case <-n.kick:
			n.mu.Lock()
			left = len(n.watchers)
			n.mu.Unlock()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.watchers {
		n.forget(w)
	}
}

// close takes no further subscriptions, and has all told that theirs are over.
func (n *notifier) close() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	clear(n.deliveries)
	for _, w := range n.watchers {
		n.over(w, "deactivated")
	}
	return len(n.watchers)
}

// wake has the goroutine look for what is due. It never waits.
func (n *notifier) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// send tells all who are due.
func (n *notifier) send() {
	for {
		w, req, to := n.next()
		if w == nil {
			return
		}
		n.spec.via.Begin(req, to, func(res *sipmsg.Response, err error) { n.answered(w, res, err) })
	}
}

// next is the NOTIFY that is to be sent next; nil: there is none.
func (n *notifier) next() (*watcher, *sip.Request, siptransport.Target) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.due) > 0 {
		w := n.due[0]
		n.due = n.due[1:]
		w.queued = false
		if !w.stale() {
			continue
		}
		req, to, err := w.document()
		if err != nil {
			n.log.Warn("NOTIFY not sent", "name", w.user, "err", err)
			n.forget(w)
			continue
		}
		return w, req, to
	}
	n.due = nil
	return nil, nil, siptransport.Target{}
}

// tell has a watcher told what it does not know. The lock is held.
func (n *notifier) tell(w *watcher) {
	if !w.queued && w.stale() {
		w.queued = true
		n.due = append(n.due, w)
		n.wake()
	}
}

// answered notes what became of a NOTIFY. A watcher that does not take it is none any more (RFC 6665 4.2.2), unless it says when it would.
func (n *notifier) answered(w *watcher, res *sipmsg.Response, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.telling = false
	switch {
	case w.state == watcherGone:
		return
	case w.state == watcherParting:
		n.forget(w)
		n.wake() // at the end, the goroutine waits for the last one
		return
	case err == nil && res.StatusCode/100 == 2:
		w.notified++
	case err == nil && res.RetryAfter() > 0 && !ends(res.StatusCode):
		time.AfterFunc(min(res.RetryAfter(), mostPause), func() { n.again(w) })
		w.resting = true
	default:
		n.log.Info("subscription of a peer has ended: it does not take NOTIFY", "peer", w.peer.Host, "name", w.user)
		n.forget(w)
		n.wake()
		return
	}
	n.tell(w)
}

// again tells a watcher that wanted to be left alone for a time.
func (n *notifier) again(w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.resting, w.asked = false, true
	n.tell(w)
}

// changed has the watchers of identities told how they are.
func (n *notifier) changed(identities []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, identity := range identities {
		for w := range n.subjects[identity] {
			n.tell(w)
		}
	}
}

// expired ends a subscription whose time is over.
func (n *notifier) expired(w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !time.Now().Before(w.expires) {
		n.over(w, "timeout")
	}
}

// over ends a subscription: its watcher is told why. The lock is held.
func (n *notifier) over(w *watcher, reason string) {
	if w.state == watcherActive {
		w.state, w.reason, w.resting = watcherEnding, reason, false
		n.tell(w)
	}
}

// forget ends it without a word. The lock is held.
func (n *notifier) forget(w *watcher) {
	if w.state == watcherGone {
		return
	}
	w.state = watcherGone
	w.timer.Stop()
	delete(n.watchers, w.key)
	for _, s := range w.sources() {
		if n.bySource[s]--; n.bySource[s] == 0 {
			delete(n.bySource, s)
		}
	}
	for _, identity := range w.subject.identities() {
		if delete(n.subjects[identity], w); len(n.subjects[identity]) == 0 {
			delete(n.subjects, identity)
		}
	}
	n.agent.watching.Add(-1)
}

// review ends the subscriptions of those who may not watch any more.
func (n *notifier) review() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.watchers {
		if !n.agent.mayWatch(w, n.spec.gateway) {
			n.over(w, "deactivated")
		}
	}
}

// mayWatch reports whether the interface of a watcher still serves it.
func (a *Agent) mayWatch(w *watcher, gateway string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, i := w.iface.In(a.cfg)
	if i == nil || a.ended || i.Gateway.Name != gateway {
		return false
	}
	if i.Phones.IsZero() {
		return a.serves(i) && i.Presence.Name == w.subject.service
	}
	l := i.Phones.In(a.cfg)
	if l == nil {
		return false
	}
	if f, there := l.Settings(w.phone); !there || f.Inbound == nil {
		return false // a phone that may not register any more does not renew for ever what it was allowed once
	}
	if w.event == eventMessages {
		now, code := a.mailboxOf(i, w.subject.identity, "")
		return code == 0 && now == w.subject
	}
	now, known := a.whom(i, w.user)
	return known && now == w.subject
}

// subscribedHere handles a SUBSCRIBE, in a read loop. The NOTIFY comes after the response.
func (a *Agent) subscribedHere(r *sipgw.ServerRequest) {
	if r.Interface == nil {
		r.Respond(403) // it has just been removed
		return
	}
	n, runs := a.notifiers.Find(r.Interface.Gateway.Name)
	if r.ToTag != "" {
		if !runs {
			r.Respond(481)
			return
		}
		n.refreshed(r)
		return
	}
	phones := !r.Interface.Phones.IsZero()
	user := sipmsg.SplitURI(r.URI).User
	event := word(r.Header("Event"))
	kind, offered := events[event]
	life, long := lifeOf(r)
	a.mu.Lock()
	serves := phones || servedBy(a.cfg, r.Interface) != nil
	whom, code := subject{}, 0
	switch {
	case !serves || !offered:
	case event == eventMessages:
		whom, code = a.mailboxOf(r.Interface, r.Identity, user)
	default:
		var known bool
		if whom, known = a.whom(r.Interface, user); !known {
			code = 404
		}
	}
	a.mu.Unlock()
	switch {
	case r.Interface.Teams(), !serves: // no events are told there (RFC 6665 8.3.2)
		r.Respond(489, sipmsg.Header{Name: "Allow-Events", Value: "refer"})
	case !offered, code == 489:
		r.Respond(489, sipmsg.Header{Name: "Allow-Events", Value: "dialog, presence"})
	case !runs: // it is about to end, or to begin anew
		r.Respond(503, later)
	case code != 0:
		r.Respond(code)
	case !long:
		r.Respond(423, tooBrief...)
	case !accepts(r, kind.document):
		r.Respond(406)
	default:
		n.subscribed(r, whom, user, event, life)
	}
}

// mailboxOf is the mailbox of a phone's own identity; the code refuses to tell. Some phones ask for the number that they call to listen to their messages,
// so who stands in the address matters only if it is somebody else. The lock is held.
func (a *Agent) mailboxOf(i *config.SIPInterface, identity, user string) (s subject, code int) {
	l := i.Phones.In(a.cfg)
	if l == nil {
		return s, 489
	}
	f, there := l.Settings(identity)
	if !there || !f.MessageWaiting {
		return s, 489
	}
	if other := l.Named(user); other != nil && other.Name != identity {
		return s, 403
	}
	return subject{location: l.Name, identity: strings.Clone(identity)}, 0
}

// whom finds who is meant by the user part of an address: an identity or an extension. A phone may mean one of its location-service, an extension of
// a PBX that tells the box who is on the phone, or a Teams user. The lock is held.
func (a *Agent) whom(i *config.SIPInterface, user string) (subject, bool) {
	if l := i.Phones.In(a.cfg); l != nil {
		service := ""
		if p := servedBy(a.cfg, i); p != nil {
			service = p.Name
		}
		if id := l.Named(user); id != nil {
			return subject{service, l.Name, id.Name, a.book.twins[phone{l.Name, id.Name}]}, true
		}
		if line, ok := a.book.lines[bare(user)]; ok {
			return subject{service: service, identity: line, line: line}, true
		}
		if _, ok := a.lines[origin{user, FromPublication}]; ok {
			user = strings.Clone(user)
			return subject{service: service, identity: user, line: user}, true
		}
		if service == "" {
			return subject{}, false
		}
	}
	p := servedBy(a.cfg, i)
	if p == nil {
		return subject{}, false
	}
	s := subject{service: p.Name, identity: strings.Clone(a.identityOf(i, user))}
	if s.identity == user {
		for _, x := range a.users[p.Name] {
			if x.Extension == user {
				s.identity = x.Identity // an identity that was found by a rule
			}
		}
	}
	if _, known := a.users[p.Name][s.identity]; known {
		return s, true
	}
	return s, slices.ContainsFunc(p.Users, func(u config.PresenceUser) bool { return u.Identity != "" && u.Identity == s.identity }) ||
		slices.ContainsFunc(a.cfg.Location, func(l *config.LocationService) bool {
			_, ours := l.Settings(s.identity)
			return ours // nothing may be known of him yet
		})
}

// later has a phone come again: one that is told 489 may never do so.
var later = sipmsg.Header{Name: "Retry-After", Value: "60"}

// accepts reports whether the sender of a request reads a type of document; one that says nothing reads that of its event.
func accepts(r *sipgw.ServerRequest, kind string) bool {
	list := r.Headers("Accept")
	for _, line := range list {
		for v := range strings.SplitSeq(line, ",") {
			if w := word(v); w == kind || w == "*/*" || w == "application/*" {
				return true
			}
		}
	}
	return len(list) == 0
}

// subscribed begins a subscription, if there is room.
func (n *notifier) subscribed(r *sipgw.ServerRequest, whom subject, user, event string, life time.Duration) {
	w, code := n.begin(r, whom, user, event, life)
	switch {
	case code == 503:
		r.Respond(503, later)
	case w == nil:
		r.Respond(code)
	default:
		r.Respond(200, w.dialog.Contact(), sipmsg.Header{Name: "Expires", Value: seconds(life)})
		n.begun(w, life)
	}
}
