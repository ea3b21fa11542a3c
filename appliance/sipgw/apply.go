package sipgw

import (
	"errors"
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
)

// reopenInterval is how soon a socket that could not be opened is tried again: its address may come up later than its gateway.
const reopenInterval = 5 * time.Second

// Apply makes the gateways what cfg says; addrs tells which local address a bind stands for now (the zero Addr: none yet).
// It is idempotent: it starts new gateways, stops removed ones and leaves all others alone, with their calls. Calls of gateways that go, or
// whose address or port changes, end: see part. Errors are joined. One gateway's error does not keep another from starting, and a socket
// that could not be opened is tried again.
func (s *Stack) Apply(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.apply(cfg, addrs, func() {})
}

// Await opens the sockets of a configuration ahead of TakeOver, before the box has their addresses.
func (s *Stack) Await(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) {
	var list []*siptransport.Conf
	for _, gw := range cfg.Gateways {
		if gw.Enabled {
			c, _ := siptransport.NewConf(cfg, gw, addrs, s.opts.Options, false) // TakeOver tells what cannot work
			list = append(list, c)
		}
	}
	s.opts.Await(list...)
}

// TakeOver is Apply on a box that takes the place of another one. restore is called when the gateways are there, before they read a socket: a
// request that waits on the wire finds its leg, see Restore. Owners may send nothing in it.
func (s *Stack) TakeOver(cfg *config.Config, addrs func(config.AddressBind) netip.Addr, restore func()) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	defer s.opts.Await() // what nobody has taken ends
	return s.apply(cfg, addrs, restore)
}

func (s *Stack) apply(cfg *config.Config, addrs func(config.AddressBind) netip.Addr, restore func()) error {
	anew, err := s.bring(cfg, addrs, restore)
	if f := s.opts.OnApplied; f != nil {
		f(err)
	}
	if !errors.Is(err, errEnded) {
		s.lifecycle.Applied(cfg, anew)
	}
	return err
}

var errEnded = errors.New("the SIP stack has ended")

// bring brings the gateways in line, and calls restore before they open sockets. It reports whether all connections with TLS of a gateway are opened anew.
func (s *Stack) bring(cfg *config.Config, addrs func(config.AddressBind) netip.Addr, restore func()) (anew bool, err error) {
	wanted := map[string]*siptransport.Conf{}
	var errs []error
	for _, gw := range cfg.Gateways {
		if gw.Enabled {
			c, err := siptransport.NewConf(cfg, gw, addrs, s.opts.Options, s.secured(gw.Name))
			wanted[gw.Name] = c
			errs = append(errs, err)
		}
	}

	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false, errEnded
	}
	s.addrs, s.cfg = addrs, cfg
	var gone, kept []*gateway
	for name, g := range s.gateways {
		if wanted[name] == nil {
			gone = append(gone, g)
			delete(s.gateways, name)
		}
	}
	for name := range wanted {
		if s.gateways[name] == nil {
			s.gateways[name] = s.newGateway(name)
		}
		kept = append(kept, s.gateways[name])
	}
	s.mu.Unlock()

	if len(gone) > 0 {
		var names []string
		for _, g := range gone {
			names = append(names, g.name)
		}
		s.part(gone, func() { s.lifecycle.Leaving(names) })
	}
	// Sockets that are gone are closed first, so that an address and port may move from one gateway to another.
	for _, g := range gone {
		g.Close()
	}
	for _, g := range kept {
		anew = g.Configure(wanted[g.name]) || anew
	}
	restore()
	for _, g := range kept {
		errs = append(errs, g.Open())
		g.Watch()
		g.endUnreachable()
	}
	return anew, errors.Join(errs...)
}

// reopen tries again what could not be opened.
func (s *Stack) reopen() {
	if !s.applying.TryLock() {
		return // an Apply opens them
	}
	defer s.applying.Unlock()
	s.mu.Lock()
	cfg, addrs := s.cfg, s.addrs
	var list []*gateway
	for _, g := range s.gateways {
		list = append(list, g)
	}
	s.mu.Unlock()
	for _, g := range list {
		if g.Incomplete() {
			s.apply(cfg, addrs, func() {})
			return
		}
	}
}

// secured reports whether a gateway has TLS already: it keeps it, whatever becomes of the clock.
func (s *Stack) secured(name string) bool {
	g := s.gateway(name)
	return g != nil && g.Secured()
}
