package sipgw

import (
	"time"

	"viaduct/appliance/config"
)

// ProbeState is the health of one interface's peer, as `show sip penalty-box` prints it.
type ProbeState struct {
	Interface, Peer string
	Boxed           bool
	Reason          string
	Since, Last     time.Time
}

// probes is the set of all probes of the stack.
type probes struct{}

func (p *probes) wake(iface string) {}
func (p *probes) end()              {}

// Available tells whether calls may go out by a SIP interface: false while it is in the penalty box.
func (s *Stack) Available(iface string) bool { return true }

// PenaltyBox tells the state of every probe.
func (s *Stack) PenaltyBox() []ProbeState { return nil }

// applyProbes starts, changes and stops OPTIONS probes; Apply calls it when the gateways stand.
func (s *Stack) applyProbes(cfg *config.Config) {}
