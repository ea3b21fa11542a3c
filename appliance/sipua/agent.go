// Package sipua is the box as a SIP user agent without calls. It registers identities, probes peers with OPTIONS, answers the OPTIONS of
// peers, and keeps calls away from peers that are known to be gone.
//
// It stands above package sipgw and sends its requests through clients of the gateways. It owns registrations, probes and the health of
// peers. It does not own which calls there are (package call), nor how a request reaches a peer (package sipgw).
//
// Goroutines: one per registration and one per probe, those of package roster.
package sipua

import (
	"log/slog"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipgw"

	"github.com/emiago/sipgo/sip"
)

// Agent registers the identities of all gateways and watches over their peers.
type Agent struct {
	stack *sipgw.Stack
	log   *slog.Logger

	mu  sync.Mutex
	cfg *config.Config

	registrations *roster.Roster[registrationSpec, *registration]
	probes        *roster.Roster[probeSpec, *probe] // one per SIP interface with a penalty box
	holds         holds                             // interfaces without calls for a time
	heard         heard                             // when each interface's peer last sent a request
}

// New returns the agent of a stack, which tells it what happens from now on. It is called before the stack runs.
func New(stack *sipgw.Stack, log *slog.Logger) *Agent {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{stack: stack, log: log, cfg: config.New()}
	a.registrations = roster.New(func(spec registrationSpec, among int) *registration { return newRegistration(spec, among, log) })
	a.probes = roster.New(func(spec probeSpec, _ int) *probe { return newProbe(spec, stack.Silent, log) })
	stack.Attach(a, a)
	stack.Handle(sip.OPTIONS, a.options)
	return a
}

// Applied starts, changes and stops registrations and probes. One whose configuration is the same is not touched.
func (a *Agent) Applied(cfg *config.Config, renewed bool) {
	a.mu.Lock()
	a.cfg = cfg
	a.mu.Unlock()
	a.registrations.Follow(a.wantedRegistrations(cfg))
	a.probes.Follow(a.wantedProbes(cfg))
	if renewed {
		a.probeNow(config.InterfaceID{}) // whether peers take the new certificate, and we theirs, is known now and not a minute later
	}
}

// Leaving ends the registrations of gateways while their sockets still stand to say good-bye. It waits for that, goodbyeTime at most.
func (a *Agent) Leaving(gateways []string) {
	gone := map[string]bool{}
	for _, name := range gateways {
		gone[name] = true
	}
	a.registrations.Stop(func(r *registration) bool { return gone[r.spec.gateway] })
}

// Ending ends all probes and registrations and waits for them; registered identities are unregistered, for which they have
// goodbyeTime. Nothing is started afterwards.
func (a *Agent) Ending() {
	var wg sync.WaitGroup
	wg.Go(a.probes.End)
	wg.Go(a.registrations.End)
	wg.Wait()
}

// Refresh registers every identity and probes every peer now, for example when a link has come back. A peer that was unreachable is tried
// at once, and a PBX that has restarted learns of us. Registrations are spread over a short time.
func (a *Agent) Refresh() {
	a.registerSoon()
	a.probeNow(config.InterfaceID{})
}

// config returns the configuration that the gateways stand for.
func (a *Agent) config() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg
}
