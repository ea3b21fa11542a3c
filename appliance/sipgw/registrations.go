package sipgw

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// registrations is the set of all registrations of the stack.
type registrations struct {
	mu      sync.Mutex
	running map[string]*registration // by key
	ending  map[string]*registration // the one before: its successor waits, or the good-bye of the old would end the new
	ended   bool
}

// Registrations tells the state of every registration, ordered by gateway and identity.
func (s *Stack) Registrations() []status.Registration {
	set := &s.registrations
	set.mu.Lock()
	defer set.mu.Unlock()
	var list []status.Registration
	for _, r := range set.running {
		list = append(list, r.snapshot())
	}
	slices.SortFunc(list, func(a, b status.Registration) int {
		return strings.Compare(a.Gateway+"\x00"+a.Identity+"\x00"+a.AOR, b.Gateway+"\x00"+b.Identity+"\x00"+b.AOR)
	})
	return list
}

// RegisterNow has the registrations of an identity, "" of all, try at once, whatever they are waiting for, and returns how many.
func (s *Stack) RegisterNow(identity string) (n int) {
	set := &s.registrations
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, r := range set.running {
		if identity != "" && r.spec.identity != identity {
			continue
		}
		n++
		select {
		case r.demand <- struct{}{}:
		default: // it is about to
		}
	}
	return n
}

// applyRegistrations starts, changes and stops registrations; Apply calls it when the gateways stand. A registration whose
// configuration is the same is not touched.
func (s *Stack) applyRegistrations(cfg *config.Config) {
	s.registrations.apply(s.wantedRegistrations(cfg), s.log, &s.group)
}

func (set *registrations) apply(list []registrationSpec, log *slog.Logger, group *sync.WaitGroup) {
	wanted := map[string]registrationSpec{}
	for _, spec := range list {
		wanted[spec.key()] = spec
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.ended {
		return
	}
	if set.running == nil {
		set.running, set.ending = map[string]*registration{}, map[string]*registration{}
	}
	for key, r := range set.running {
		spec, still := wanted[key]
		if still && spec == r.spec {
			continue
		}
		r.takeover.Store(still && spec.binds(r.spec))
		r.cancel()
		delete(set.running, key)
		set.ending[key] = r
	}
	spread := min(startSpread*time.Duration(len(wanted)), maxSpread)
	for key, spec := range wanted {
		if set.running[key] == nil {
			set.start(key, newRegistration(spec, log), rand.N(spread), group)
		}
	}
}

// start runs a registration once the one before it has ended. The mutex is held.
func (set *registrations) start(key string, r *registration, delay time.Duration, group *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	before := set.ending[key]
	set.running[key] = r
	group.Go(func() {
		defer close(r.done)
		if before != nil {
			<-before.done // within goodbyeTime
		}
		r.run(ctx, delay)
		cancel()
		set.mu.Lock()
		defer set.mu.Unlock()
		if set.ending[key] == r {
			delete(set.ending, key)
		}
	})
}

// wake has everybody register anew.
func (set *registrations) wake() {
	set.mu.Lock()
	defer set.mu.Unlock()
	spread := min(startSpread*time.Duration(len(set.running)), maxSpread)
	for _, r := range set.running {
		select {
		case r.kick <- rand.N(spread):
		default: // one is waiting already
		}
	}
}

// end unregisters everybody and waits for it; nobody is registered afterwards.
func (set *registrations) end() {
	set.mu.Lock()
	set.ended = true
	set.mu.Unlock()
	set.stop(func(*registration) bool { return true })
}

// stop unregisters those that are meant and waits for it, also for those that were about to end.
func (set *registrations) stop(meant func(*registration) bool) {
	set.mu.Lock()
	var list []*registration
	for key, r := range set.running {
		if meant(r) {
			r.cancel()
			delete(set.running, key)
			set.ending[key] = r
		}
	}
	for _, r := range set.ending {
		if meant(r) {
			list = append(list, r)
		}
	}
	set.mu.Unlock()
	for _, r := range list {
		<-r.done
	}
}
