package sipevent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// Publication is how a Teams user is, for the keys of phones at the PBX.
type Publication struct {
	Service, Identity, Extension string // Extension "": it is the identity
	State                        config.PresenceState
	Busy                         bool
	Gone                         bool // he is none of ours any more: what was told is taken back
}

const (
	mostUsers   = 5000            // of a presence-service
	publishTime = time.Hour       // a publication lives for so long unless it is refreshed
	lastTime    = time.Minute     // and the last one of a user who is none of ours any more
	partingTime = 2 * time.Second // for what is taken back at the end
)

// Publish notes how a user is. It may be called from any goroutine, and never waits.
func (a *Agent) Publish(p Publication) {
	a.mu.Lock()
	users := a.users[p.Service]
	if users == nil {
		users = map[string]Publication{}
		a.users[p.Service] = users
	}
	_, known := users[p.Identity]
	switch {
	case p.Gone:
		delete(users, p.Identity)
	case known || len(users) < mostUsers:
		users[p.Identity] = p
	}
	a.mu.Unlock()
	if w, ok := a.publishers.Find(p.Service); ok {
		w.wake()
	}
	for _, n := range a.notifiers.Workers() {
		n.changed([]string{p.Identity})
	}
}

// usersOf are the users of a service, by extension.
func (a *Agent) usersOf(service string) map[string]Publication {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make(map[string]Publication, len(a.users[service]))
	for _, p := range a.users[service] {
		list[cmp.Or(p.Extension, p.Identity)] = p
	}
	return list
}

// Publications tells what became of what is told, by service.
func (a *Agent) Publications() []status.Publication {
	list := make([]status.Publication, 0)
	for _, p := range a.publishers.Workers() {
		list = append(list, p.Snapshot())
	}
	slices.SortFunc(list, func(a, b status.Publication) int { return cmp.Compare(a.Service, b.Service) })
	return list
}

// publisherSpec is everything that a publisher depends on.
type publisherSpec struct {
	via      sipdialog.Client
	service  string
	gateway  string
	iface    config.InterfaceID
	to       siptransport.Target
	event    config.PublishEvent
	resource string // of asterisk-devicestate
}

// Key is what stays the same.
func (p publisherSpec) Key() string { return p.service }

// wantedPublishers are one for each presence-service with `publish interface`.
func (a *Agent) wantedPublishers(cfg *config.Config) (list []publisherSpec) {
	for _, p := range cfg.Presence {
		i := p.PublishPeer(cfg)
		if !p.Enabled || i == nil || i.Remote.Host == "" {
			continue
		}
		if via, runs := a.stack.Client(i.Gateway.Name); runs {
			to := siptransport.Target{Host: i.Remote.Host, Port: i.Remote.Port, Transport: via.Transport(i, "")}
			list = append(list, publisherSpec{via, p.Name, i.Gateway.Name, i.ID(), to, cmp.Or(p.PublishEvent, config.PublishDevices), cmp.Or(p.PublishResource, "viaduct")})
		}
	}
	return list
}

// publisher tells a PBX with PUBLISH how users are (RFC 3903): one goroutine, one request at a time. It belongs to its goroutine, except where
// noted.
//
// Asterisk has one publication for all devices, and each PUBLISH in it changes one of them. Others have one for each user. It is not removed when the
// user is free again: a server without any publication of a user has nothing to tell, and the key of a phone would stay red.
type publisher struct {
	agent    *Agent
	spec     publisherSpec
	log      *slog.Logger
	kick     chan struct{}
	told     map[string]bool  // by extension: busy or not, as the PBX knows it
	posts    map[string]*post // by user part of the Request-URI
	failures int              // in a row
	version  uint64           // of dialog-info
	// strangers are users whom the PBX does not know, and when it is asked again. Others are not to wait for that.
	strangers map[string]time.Time

	*roster.Shown[status.Publication]
}

// post is a publication at the PBX.
type post struct {
	asking sipua.Asking
	etag   string    // "": there is none
	due    time.Time // when to refresh it
}

func (a *Agent) newPublisher(spec publisherSpec, _ int) *publisher {
	return &publisher{agent: a, spec: spec, log: a.o.Log.With("name", spec.service, "if", spec.iface, "peer", spec.to.URI()), kick: make(chan struct{}, 1),
		told: map[string]bool{}, posts: map[string]*post{}, strangers: map[string]time.Time{},
		Shown: roster.Show(status.Publication{Service: spec.service, Interface: spec.iface.String(), Event: string(spec.event), Since: time.Now()})}
}

// Replaced: the new one begins anew.
func (p *publisher) Replaced(publisherSpec) {}

// wake has the publisher look for changes. It may be called from any goroutine.
func (p *publisher) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Run tells changes until ctx ends; then it takes back what it has told.
func (p *publisher) Run(ctx context.Context) {
	for wait := time.Duration(0); p.sleep(ctx, wait); {
		wait = p.round(ctx)
	}
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	for user, busy := range p.told {
		if busy && p.tell(ctx, user, Publication{}, lastTime) != nil {
			return
		}
	}
}

// sleep waits for a change or a time; false: the end. After a failure changes wait, too.
func (p *publisher) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	changed := p.kick
	if p.failures > 0 {
		changed = nil
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-changed:
	}
	return ctx.Err() == nil
}

// change is one thing to tell.
type change struct {
	user string
	p    Publication
	left bool // nobody speaks of him any more
}

// changes are what the PBX does not know yet.
func (p *publisher) changes() (list []change, users, busy int) {
	now := p.agent.usersOf(p.spec.service)
	maps.DeleteFunc(p.strangers, func(user string, _ time.Time) bool { _, still := now[user]; return !still })
	for user, x := range now {
		if x.Busy {
			busy++
		}
		if time.Now().Before(p.strangers[user]) {
			continue
		}
		known, told := p.told[user]
		if told && known != x.Busy || !told && (x.Busy || p.spec.event == config.PublishDevices) {
			list = append(list, change{user: user, p: x})
		}
	}
	for user := range p.told {
		if _, still := now[user]; !still {
			list = append(list, change{user: user, left: true})
		}
	}
	return list, len(now), busy
}

// round tells all that there is to tell, refreshes what is due, and returns when to look again.
func (p *publisher) round(ctx context.Context) time.Duration {
	var unknown error
	for {
		list, users, busy := p.changes()
		p.Change(func(st *status.Publication) {
			st.Users, st.Busy, st.Waiting, st.Next = users, busy, len(list), time.Time{}
			if len(list) > 0 && st.State != status.PublicationFailed && st.State != status.PublicationRefused {
				p.enter(st, status.Publishing)
			}
		})
		if len(list) == 0 {
			break
		}
		for _, c := range list {
			lifetime := publishTime
			if c.left {
				lifetime = lastTime
			}
			switch err := p.tell(ctx, c.user, c.p, lifetime); {
			case err == nil:
				delete(p.strangers, c.user)
			case p.unknown(err):
				p.strange(c, err)
				unknown = err
			default:
				return p.failed(ctx, err)
			}
			if c.left {
				delete(p.told, c.user)
				if p.spec.event != config.PublishDevices {
					delete(p.posts, c.user)
				}
			}
		}
	}
	if unknown != nil && len(p.posts) == 0 {
		return p.failed(ctx, unknown) // it knows nobody at all
	}
	next := 24 * time.Hour
	for user, again := range p.strangers {
		if x := p.agent.usersOf(p.spec.service)[user]; x.Busy {
			next = min(next, max(time.Until(again), time.Second))
		}
	}
	for resource, x := range p.posts {
		if !time.Now().Before(x.due) {
			if err := p.put(ctx, resource, x, "", nil, publishTime); err != nil {
				return p.failed(ctx, err)
			}
		}
		next = min(next, max(time.Until(x.due), time.Second))
	}
	p.failures = 0
	p.Change(func(st *status.Publication) {
		if len(p.posts) > 0 {
			if st.State == status.PublicationFailed || st.State == status.PublicationRefused {
				p.log.Info("publication works again")
			}
			p.enter(st, status.Published)
			st.Error = ""
			if n := len(p.strangers); n > 0 {
				st.Error = fmt.Sprintf("the PBX does not know %d of the users: %s", n, printable.Text(slices.Min(slices.Collect(maps.Keys(p.strangers)))))
			}
		}
	})
	return next
}

// unknown reports whether the PBX refuses one user, where each has a publication of his own: the others are told nevertheless.
func (p *publisher) unknown(err error) bool {
	var answer refusal
	return p.spec.event != config.PublishDevices && errors.As(err, &answer) && (answer.res.StatusCode == 404 || answer.res.StatusCode == 604)
}

// strange notes such a user.
func (p *publisher) strange(c change, err error) {
	if _, known := p.strangers[c.user]; !known && !c.left {
		p.log.Warn("publication of a user refused", "user", printable.Text(c.user), "err", err)
	}
	p.strangers[c.user] = time.Now().Add(refusedPause)
	delete(p.posts, c.user)
	delete(p.told, c.user)
}

// tell publishes how a user is.
func (p *publisher) tell(ctx context.Context, user string, x Publication, lifetime time.Duration) error {
	resource, account := user, cmp.Or(x.Identity, user)
	if p.spec.event == config.PublishDevices {
		resource, account, lifetime = p.spec.resource, p.spec.resource, publishTime
	}
	at := p.posts[resource]
	if at == nil {
		account := p.agent.credential(p.spec.iface, account)
		at = &post{asking: sipua.Asking{Via: p.spec.via, Auth: sipmsg.NewAuthenticator(account.Username, string(account.Password))}}
		p.posts[resource] = at
	}
	contentType, body := p.body(user, x)
	if err := p.put(ctx, resource, at, contentType, body, lifetime); err != nil {
		return err
	}
	p.told[user] = x.Busy
	return nil
}

// body writes how a user is.
func (p *publisher) body(user string, x Publication) (contentType string, body []byte) {
	entity := p.address(user)
	switch p.spec.event {
	case config.PublishDialog:
		p.version++
		return dialoginfo.TypeDialog, dialogOf(entity, p.version, x).Bytes()
	case config.PublishPresence:
		return dialoginfo.TypePresence, presenceOf(entity, x).Bytes()
	}
	state := dialoginfo.NotInUse
	if x.Busy {
		state = dialoginfo.InUse
	}
	return dialoginfo.TypeDevice, dialoginfo.Device{Kind: dialoginfo.DeviceState, Name: "Custom:teams" + user, State: state, Cachable: 1, EID: p.eid()}.Bytes()
}

// dialogOf is how a user is, as a dialog-info document.
func dialogOf(entity string, version uint64, x Publication) dialoginfo.Info {
	d := dialoginfo.Dialog{ID: "teams", State: dialoginfo.Terminated}
	if x.Busy {
		d.State = dialoginfo.Confirmed
	}
	return dialoginfo.Info{Version: version, Full: true, Entity: entity, Dialogs: []dialoginfo.Dialog{d}}
}

// presenceOf is how a user is, as a PIDF document.
func presenceOf(entity string, x Publication) dialoginfo.Presence {
	d := dialoginfo.Presence{Entity: entity, Open: true}
	if x.Busy {
		d.Activity, d.Note = dialoginfo.OnThePhone, string(x.State)
		if x.State == config.DoNotDisturb || x.State == config.Presenting {
			d.Activity = dialoginfo.Busy
		}
	}
	return d
}

// eid names this box among Asterisk servers: it is in the form of a MAC address, and a made-up one.
func (p *publisher) eid() string {
	h := fnv.New64a()
	h.Write([]byte(p.spec.via.Contact(p.spec.resource, p.spec.to)))
	n := h.Sum64()
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32))
}

// address is the SIP address of a user at the PBX.
func (p *publisher) address(user string) string {
	return "sip:" + user + "@" + siptransport.Target{Host: p.spec.to.Host}.String()
}

// errForgotten: the PBX does not know our publication any more, so nothing that it was told holds.
var errForgotten = errors.New("the PBX has forgotten the publication")

// refusal is an answer of the PBX.
type refusal struct{ res *sipmsg.Response }

func (e refusal) Error() string {
	return fmt.Sprintf("%d %s", e.res.StatusCode, printable.Text(e.res.Reason))
}

// put sends one PUBLISH; without a body it refreshes.
func (p *publisher) put(ctx context.Context, resource string, at *post, contentType string, body []byte, lifetime time.Duration) error {
	if err := p.spec.via.Resolve(ctx, p.spec.to); err != nil {
		return err
	}
	to := p.address(resource)
	talk := p.spec.via.Event(to, to, to, "", p.spec.to)
	at.asking.Lifetime = max(at.asking.Lifetime, lifetime)
	if lifetime < publishTime {
		at.asking.Lifetime = lifetime
	}
	start := time.Now()
	res, err := at.asking.Ask(ctx, at.asking.Lifetime, func(lifetime time.Duration) (*sip.Request, siptransport.Target, error) {
		h := []sipmsg.Header{{Name: "Event", Value: string(p.spec.event)}, {Name: "Expires", Value: seconds(lifetime)}}
		if at.etag != "" {
			h = append(h, sipmsg.Header{Name: "SIP-If-Match", Value: at.etag})
		}
		return talk.Request("PUBLISH", contentType, body, h...)
	})
	switch {
	case err != nil:
		return err
	case res.StatusCode == 412 && at.etag != "":
		p.forgotten(resource)
		return errForgotten
	case res.StatusCode/100 != 2:
		return refusal{res}
	}
	granted := at.asking.Lifetime
	if d, ok := sipmsg.Seconds(res.Header("Expires")); ok {
		granted = min(granted, d)
	}
	at.etag, at.due = res.Header("SIP-ETag"), start.Add(refreshIn(granted))
	if at.etag == "" {
		at.due = start.Add(1000 * time.Hour) // it cannot be refreshed: RFC 3903 6 wants the field
	}
	p.Change(func(st *status.Publication) { st.Code = res.StatusCode })
	return nil
}

// forgotten has what the PBX has lost told again.
func (p *publisher) forgotten(resource string) {
	delete(p.posts, resource)
	if p.spec.event == config.PublishDevices {
		clear(p.told)
	} else {
		delete(p.told, resource)
	}
}

// failed notes a failure and returns when to try again.
func (p *publisher) failed(ctx context.Context, err error) time.Duration {
	var answer refusal
	state, wait := status.PublicationFailed, min(leastPause<<min(p.failures, 10), mostPause)
	wait += rand.N(wait / 5)
	why, code := printable.Text(err.Error()), 0
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.Is(err, errForgotten) && p.failures == 0:
		p.failures++
		return resumeIn() // a PBX that has restarted; one that never remembers is told ever more slowly
	case errors.As(err, &answer):
		code = answer.res.StatusCode
		switch code {
		case 403, 404, 405, 415, 489, 501:
			state, wait = status.PublicationRefused, refusedPause+rand.N(refusedPause/10)
			why = "the PBX does not take PUBLISH of " + string(p.spec.event) + ": " + why
		}
		wait = max(wait, min(answer.res.RetryAfter(), refusedPause))
	}
	p.failures++
	maps.DeleteFunc(p.posts, func(_ string, x *post) bool { return x.etag == "" }) // the account may be another one next time
	p.Change(func(st *status.Publication) {
		if !siptransport.IsSilence(err) && st.Error != why {
			p.log.Warn("publication failed", "err", why)
		}
		p.enter(st, state)
		st.Code, st.Error, st.Next = code, why, time.Now().Add(wait)
	})
	return wait
}

// enter changes the state.
func (p *publisher) enter(st *status.Publication, state status.PublicationState) {
	if st.State != state {
		st.State, st.Since = state, time.Now()
	}
}

// credential is the account of an identity at the gateway of an interface; zero: none.
func (a *Agent) credential(iface config.InterfaceID, identity string) config.Credential {
	a.mu.Lock()
	cfg := a.cfg
	a.mu.Unlock()
	if _, i := iface.In(cfg); i != nil {
		if g := i.Gateway.In(cfg); g != nil {
			for _, ref := range g.Location {
				if l := ref.In(cfg); l != nil {
					if c, ok := l.Credential(cfg, identity); ok {
						return c
					}
				}
			}
		}
	}
	return config.Credential{}
}
