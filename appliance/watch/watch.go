// Package watch judges the state of the box: it raises and clears the alarms that no engine reports by itself.
//
// It is given plain values (a Sight) every few seconds, and each record of a call. It keeps what it must remember between two looks: when a
// voice was heard last, how the last calls of an interface ended, which phone has refused our certificate. It reads no clock, opens nothing and
// has no goroutine. Its owner calls Look from one goroutine; Ended and Refused may be called from any.
package watch

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// Every is how often the owner looks.
const Every = 3 * time.Second

// Watch turns what it sees into alarms. Make one with New.
type Watch struct {
	health *health.Tracker
	port   func(slot, port int) string // the kernel's device

	mu         sync.Mutex            // guards what calls tell: Look and Ended are called from different goroutines
	refusals   map[string]refusal    // by interface
	reputation map[string]reputation // by interface
	hearing    map[string][2]hearing // by call: what its two sides have sent
	oneWay     map[string]oneWay     // by interface
	distrust   map[netip.Addr]Refusal

	heard  map[string]time.Time // by gateway towards Teams: its peers answer, and were heard last
	closed map[netip.Addr]bool  // gateways that do not answer ARP
	low    map[string]bool      // pools that are nearly used up
	empty  map[string]time.Time // pools that were used up, and when last
	hot    bool
	full   bool // the flash
}

// New returns a Watch. port names the kernel's device of a port.
func New(h *health.Tracker, port func(slot, port int) string) *Watch {
	return &Watch{
		health: h, port: port, refusals: map[string]refusal{}, reputation: map[string]reputation{}, hearing: map[string][2]hearing{}, oneWay: map[string]oneWay{}, distrust: map[netip.Addr]Refusal{},
		heard: map[string]time.Time{}, closed: map[netip.Addr]bool{}, low: map[string]bool{}, empty: map[string]time.Time{},
	}
}

// Sight is the state of the box at one moment.
type Sight struct {
	Now           time.Time
	Config        *config.Config
	Registrations []status.Registration
	Peers         []status.Peer
	Calls         []status.Call
	Clock         status.Clock
	Overload      status.Overload
	Pools         []status.Pool
	Peaks         []status.Peak
	Bans          []status.Ban
	Network       status.Network
	Neighbours    []status.Neighbour
	Temperature   *float64 // nil: the board does not say
	Flash         status.Space
	Phones        Phones // nil: no phones register here
}

// Look judges a moment.
func (w *Watch) Look(s Sight) {
	w.Peers(s.Now, s.Config, s.Registrations, s.Peers)
	w.destinations(s.Config, s.Peers)
	w.unheard(s.Now, s.Config, s.Peers)
	w.Ports(s.Network)
	w.gateways(s.Network, s.Neighbours)
	w.Clock(s.Clock)
	w.pools(s.Now, s.Pools, s.Peaks)
	w.bans(s.Bans)
	w.overload(s.Overload)
	w.voice(s.Now, s.Calls)
	w.forget(s.Now)
	w.phones(s.Now, s.Config, s.Phones)
	w.machine(s.Temperature, s.Flash)
}

// judge sets an alarm that exists at most once, or clears it when why is empty.
func (w *Watch) judge(what *health.Warnable, why string) {
	if why == "" {
		w.health.Clear(what, "")
		return
	}
	w.health.Set(what, health.Args{"why": why})
}

// Clock checks that the clock follows a time server, if any is configured.
func (w *Watch) Clock(c status.Clock) {
	if !c.Enabled || c.Synced {
		w.health.Clear(health.ClockUnsynchronised, "")
		return
	}
	w.judge(health.ClockUnsynchronised, cmp.Or(c.Error, "no time server has answered yet"))
}
