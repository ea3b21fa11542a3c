// Package sipevent is the box's part in SIP events beside transfers (RFC 6665): it learns from the PBX who is on the phone and which messages wait, by
// subscribing there, or because the PBX tells it by itself, and tells it how Teams users are: with PUBLISH (RFC 3903), and with NOTIFY whoever subscribes here.
// Phones that register here watch each other's calls and those of the PBX, and are told of their messages; they are told to start again.
//
// It stands above packages sipgw and sipua: it asks with the accounts of the identities that are registered. It owns subscriptions, publications in
// both directions, and every NOTIFY that belongs to no call. It does not own what such documents mean (package dialoginfo), what follows from a line that is busy (package
// presence), which calls there are (package call, which tells it with Dialog), nor where phones are (Phones).
//
// Goroutines: one per subscription of ours, one per presence-service that publishes and one per gateway whose peers may subscribe or are phones, those of package roster. Requests of peers are handled in read loops: a subscription has a lock for its dialog and
// what it knows, under which that of a notifier may be taken, and under that the agent's. A publication or subscription of a peer has a timer.
package sipevent

import (
	"cmp"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// Options are what an Agent is given.
type Options struct {
	Log *slog.Logger // nil: none
	// Line is told of each change of a line. It is called in read loops, under locks: it must not block, nor call the Agent. Nil: nobody.
	Line   func(Line)
	Phones Phones // nil: there are none
}

// Phones knows where the phones are that have registered here. Package registrar implements it. It must not block, nor call the Agent.
type Phones interface {
	// Targets are the phones of an identity, by a name of it, as far as they are reached by an interface of phones.
	Targets(i config.InterfaceID, user string) (list []siptransport.PhoneTarget, identity string, known bool)
	// Model is the User-Agent of the phones at an address; "": nobody knows.
	Model(netip.Addr) string
}

// nobody is what there is without Phones.
type nobody struct{}

func (nobody) Targets(config.InterfaceID, string) ([]siptransport.PhoneTarget, string, bool) {
	return nil, "", false
}
func (nobody) Model(netip.Addr) string { return "" }

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

	subscriptions *roster.Roster[subscriptionSpec, *subscription]
	publishers    *roster.Roster[publisherSpec, *publisher]
	notifiers     *roster.Roster[notifierSpec, *notifier]
	watching      atomic.Int32 // subscriptions of all peers

	mu       sync.Mutex
	cfg      *config.Config
	ended    bool
	dialogs  map[names]*subscription
	composed map[published]*composed
	users    map[string]map[string]Publication // how the users of a service are, by service and identity
	book     *book
	calls    map[phone][]dialoginfo.Dialog  // of the box itself, with its phones
	lines    map[origin][]dialoginfo.Dialog // of PBXs
	mail     map[phone]mailbox
	moved    []string // identities of which something has changed since the lock was taken, see release
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
	if o.Phones == nil {
		o.Phones = nobody{}
	}
	cfg := config.New()
	a := &Agent{stack: stack, o: o, cfg: cfg, dialogs: map[names]*subscription{}, composed: map[published]*composed{}, users: map[string]map[string]Publication{},
		book: newBook(cfg), calls: map[phone][]dialoginfo.Dialog{}, lines: map[origin][]dialoginfo.Dialog{}, mail: map[phone]mailbox{}}
	a.subscriptions = roster.New(a.newSubscription)
	a.publishers = roster.New(a.newPublisher)
	a.notifiers = roster.New(a.newNotifier)
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
	a.book = newBook(cfg)
	maps.DeleteFunc(a.mail, func(p phone, _ mailbox) bool {
		l := (config.Ref[config.Config, config.LocationService]{Name: p.location}).In(cfg)
		if l == nil {
			return true
		}
		f, there := l.Settings(p.identity)
		return !there || !f.MessageWaiting
	})
	a.reviewed()
	a.release()
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
	a.ended = true
	a.reviewed()
	a.release()
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
		return strings.Compare(a.Gateway+"\x00"+a.Identity+"\x00"+a.Event, b.Gateway+"\x00"+b.Identity+"\x00"+b.Event)
	})
	return list
}

// wanted are the subscriptions that a configuration asks for, of identities in a location service that is bound to a gateway: one per identity with
// `presence subscribe dialog`, and one per identity whose messages some phone is to be told of.
func (a *Agent) wanted(cfg *config.Config) (list []subscriptionSpec) {
	extensions := extensionsOf(cfg)
	subscribe := func(event string, account sipua.Account) {
		list = append(list, subscriptionSpec{
			via: account.Via, gateway: account.Gateway, service: account.Service, identity: account.Identity, to: account.To, account: account.Credential,
			event: event, from: account.AOR(account.Identity), resource: account.AOR(cmp.Or(extensions[account.Identity], account.Identity)),
		})
	}
	for _, account := range sipua.Accounts(a.stack, cfg, func(f config.IdentitySettings) bool { return f.SubscribeDialog }) {
		subscribe(eventDialog, account)
	}
	b := newBook(cfg)
	for _, account := range sipua.Accounts(a.stack, cfg, func(f config.IdentitySettings) bool { return f.Registration != nil && !f.Registration.None }) {
		if b.accounts[phone{account.Service, account.Identity}] {
			subscribe(eventMessages, account)
		}
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
func (a *Agent) expect(d *sipdialog.Event, s *subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	callID, tag := d.Names()
	a.dialogs[names{callID, tag}] = s
}

// forget ends that.
func (a *Agent) forget(d *sipdialog.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	callID, tag := d.Names()
	delete(a.dialogs, names{callID, tag})
}

// notify handles every NOTIFY that belongs to no call. One that no subscription asked for is message waiting and the like: PBXs send it to whoever is
// registered, and it is taken without noise, whatever becomes of it.
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
		a.unasked(r)
	}
}

// Events that the box asks for or tells of.
const (
	eventDialog   = "dialog"
	eventPresence = "presence"
	eventMessages = "message-summary"
)

// events are the types of their documents, and what it means when a PBX refuses a subscription to one.
var events = map[string]struct{ document, refused string }{
	eventDialog:   {dialoginfo.TypeDialog, "the PBX does not tell who is on the phone"},
	eventPresence: {document: dialoginfo.TypePresence},
	eventMessages: {dialoginfo.TypeSummary, "the PBX does not tell which messages wait"},
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
