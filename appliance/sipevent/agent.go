// Package sipevent is the box's part in SIP events beside transfers (RFC 6665): it learns from the PBX who is on the phone, by subscribing
// there, or because the PBX publishes it here, and tells it how Teams users are: with PUBLISH (RFC 3903), and with NOTIFY whoever subscribes here.
//
// It stands above packages sipgw and sipua: it asks with the accounts of the identities that are registered. It owns subscriptions, publications in
// both directions, and every NOTIFY that belongs to no call. It does not own what such documents mean (package dialoginfo), nor what follows from a line that is busy (package
// presence).
//
// Goroutines: one per subscription of ours, one per presence-service that publishes and one per gateway whose peers may subscribe, those of package fleet. Requests of peers are handled in read loops: a subscription has a lock for its dialog and
// what it knows, under which that of the agent may be taken. A publication or subscription of a peer has a timer.
package sipevent

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// Options are what an Agent is given.
type Options struct {
	Log *slog.Logger // nil: none
	// Line is told of each change of a line. It is called in read loops, under locks: it must not block, nor call the Agent. Nil: nobody.
	Line func(Line)
}

// Line is what a PBX tells of the phones of an identity.
type Line struct {
	Identity string
	Origin   Origin
	Known    bool // false: nothing is known any more
	Busy     bool // it is in a call, or calls somebody
	Since    time.Time
	Calls    []CallRef // of a busy line, as far as the PBX tells
}

// CallRef is a call as the PBX tells it; each field may be empty.
type CallRef struct{ CallID, Remote string }

// Origin is how a line is learnt.
type Origin string

const (
	FromSubscription Origin = "subscription" // of ours at the PBX
	FromPublication  Origin = "publication"  // of the PBX here
)

// Agent does all that for the gateways of a stack.
type Agent struct {
	stack *sipgw.Stack
	o     Options

	subscriptions *fleet.Fleet[subscriptionSpec, *subscription]
	publishers    *fleet.Fleet[publisherSpec, *publisher]
	notifiers     *fleet.Fleet[notifierSpec, *notifier]
	watching      atomic.Int32 // subscriptions of all peers

	mu       sync.Mutex
	cfg      *config.Config
	ended    bool
	dialogs  map[names]*subscription
	composed map[published]*composed
	users    map[string]map[string]Publication // how the users of a service are, by service and identity
}

// names are the Call-ID and our tag of a dialog.
type names struct{ callID, tag string }

// New returns the agent of a stack, which tells it what happens from now on. It is called before the stack runs.
func New(stack *sipgw.Stack, o Options) *Agent {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Line == nil {
		o.Line = func(Line) {}
	}
	a := &Agent{stack: stack, o: o, cfg: config.New(), dialogs: map[names]*subscription{}, composed: map[published]*composed{}, users: map[string]map[string]Publication{}}
	a.subscriptions = fleet.New(a.newSubscription)
	a.publishers = fleet.New(a.newPublisher)
	a.notifiers = fleet.New(a.newNotifier)
	stack.Follow(a)
	stack.Handle(sip.NOTIFY, a.notify)
	stack.Handle(sip.PUBLISH, a.publishedHere)
	stack.Handle(sip.SUBSCRIBE, a.subscribedHere)
	return a
}

// Applied starts, changes and stops what the configuration wants. What is the same is not touched.
func (a *Agent) Applied(cfg *config.Config, _ bool) {
	a.mu.Lock()
	a.cfg = cfg
	maps.DeleteFunc(a.users, func(service string, _ map[string]Publication) bool {
		return !slices.ContainsFunc(cfg.Presence, func(p *config.PresenceService) bool { return p.Name == service })
	})
	a.reviewed()
	a.mu.Unlock()
	a.subscriptions.Follow(a.wanted(cfg))
	a.publishers.Follow(a.wantedPublishers(cfg))
	a.notifiers.Follow(a.wantedNotifiers(cfg))
	for _, n := range a.notifiers.Workers() {
		n.review()
	}
}

// Leaving ends what goes by gateways, while their sockets still stand: peers are told. It waits for that, for seconds at most.
func (a *Agent) Leaving(gateways []string) {
	var group sync.WaitGroup
	group.Go(func() {
		a.subscriptions.Stop(func(s *subscription) bool { return slices.Contains(gateways, s.spec.gateway) })
	})
	group.Go(func() {
		a.publishers.Stop(func(p *publisher) bool { return slices.Contains(gateways, p.spec.gateway) })
	})
	group.Go(func() {
		a.notifiers.Stop(func(n *notifier) bool { return slices.Contains(gateways, n.spec.gateway) })
	})
	group.Wait()
}

// Ending ends everything, likewise. Nothing is started afterwards.
func (a *Agent) Ending() {
	var group sync.WaitGroup
	group.Go(a.subscriptions.End)
	group.Go(a.publishers.End)
	group.Go(a.notifiers.End)
	group.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.reviewed()
}

// Refresh has every subscription that does not work tried soon, for example when a link has come back.
func (a *Agent) Refresh() {
	list := a.subscriptions.Workers()
	for _, s := range list {
		if s.Snapshot().State >= status.SubscriptionFailed {
			s.soon(rand.N(sipua.Spread(len(list))))
		}
	}
}

// Subscriptions tells the state of every subscription, by gateway and identity.
func (a *Agent) Subscriptions() []status.Subscription {
	list := make([]status.Subscription, 0)
	for _, s := range a.subscriptions.Workers() {
		list = append(list, s.Snapshot())
	}
	slices.SortFunc(list, func(a, b status.Subscription) int {
		return strings.Compare(a.Gateway+"\x00"+a.Identity, b.Gateway+"\x00"+b.Identity)
	})
	return list
}

// wanted are the subscriptions that a configuration asks for: one per identity with `presence subscribe dialog` in a location service that is bound
// to a gateway.
func (a *Agent) wanted(cfg *config.Config) (list []subscriptionSpec) {
	extensions := extensionsOf(cfg)
	for _, account := range sipua.Accounts(a.stack, cfg, func(f config.IdentitySettings) bool { return f.SubscribeDialog }) {
		user := account.Identity
		if e := extensions[user]; e != "" {
			user = e
		}
		list = append(list, subscriptionSpec{
			via: account.Via, gateway: account.Gateway, service: account.Service, identity: account.Identity, to: account.To, account: account.Credential,
			from: account.AOR(account.Identity), resource: account.AOR(user),
		})
	}
	return list
}

// extensionsOf are the extensions of identities that have others at the PBX than their names.
func extensionsOf(cfg *config.Config) map[string]string {
	list := map[string]string{}
	for _, p := range cfg.Presence {
		for _, u := range p.Users {
			if u.Identity != "" && u.Extension != "" && list[u.Identity] == "" {
				list[u.Identity] = u.Extension
			}
		}
	}
	return list
}

// expect has NOTIFYs of a dialog handed to a subscription.
func (a *Agent) expect(d *sipgw.EventDialog, s *subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	callID, tag := d.Names()
	a.dialogs[names{callID, tag}] = s
}

// forget ends that.
func (a *Agent) forget(d *sipgw.EventDialog) {
	a.mu.Lock()
	defer a.mu.Unlock()
	callID, tag := d.Names()
	delete(a.dialogs, names{callID, tag})
}

// notify handles every NOTIFY that belongs to no call. One that no subscription asked for is message waiting and the like: PBXs send it to whoever is
// registered, and it is taken without noise.
func (a *Agent) notify(r *sipgw.ServerRequest) {
	callID, tag := r.Names()
	a.mu.Lock()
	s := a.dialogs[names{callID, tag}]
	a.mu.Unlock()
	switch {
	case s != nil:
		code, h := s.notified(r)
		r.Respond(code, h...)
	case r.ToTag != "":
		r.Respond(481)
	default:
		r.Respond(200)
	}
}

// word is the first word of a value with parameters, in lower case.
func word(value string) string {
	w, _, _ := strings.Cut(value, ";")
	return strings.ToLower(strings.TrimSpace(w))
}

// parameter is a parameter of such a value.
func parameter(value, name string) string {
	_, params, _ := strings.Cut(value, ";")
	v, _ := sipmsg.Param(params, name)
	return v
}
