package sipgw

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// reopenInterval is how soon a socket that could not be opened is tried again: its address may come up later than its gateway.
const reopenInterval = 5 * time.Second

// Apply makes the gateways what cfg says; addrs tells which local address a bind stands for now (the zero Addr: none yet).
// It is idempotent: it starts what is new, stops what is gone and leaves everything else, calls included, alone. Errors are
// joined; what is sound is started anyway, and what could not be opened is tried again.
func (s *Stack) Apply(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.apply(cfg, addrs)
}

func (s *Stack) apply(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) error {
	err := s.bring(cfg, addrs)
	if f := s.opts.OnApplied; f != nil {
		f(err)
	}
	return err
}

// bring brings the gateways in line.
func (s *Stack) bring(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) error {
	wanted := map[string]*gatewayConf{}
	var errs []error
	for _, gw := range cfg.Gateways {
		if gw.Enabled {
			c, err := s.prepare(cfg, gw, addrs)
			wanted[gw.Name] = c
			errs = append(errs, err)
		}
	}

	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.New("the SIP stack has ended")
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
		s.lifecycle.Leaving(names)
	}
	// Sockets that are gone are closed first, so that an address and port may move from one gateway to another.
	for _, g := range gone {
		g.close()
	}
	anew := false
	for _, g := range kept {
		anew = g.configure(wanted[g.name]) || anew
	}
	for _, g := range kept {
		errs = append(errs, g.open())
	}
	s.lifecycle.Applied(cfg, anew)
	return errors.Join(errs...)
}

// reopen tries again what could not be opened.
func (s *Stack) reopen() {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	cfg, addrs := s.cfg, s.addrs
	var list []*gateway
	for _, g := range s.gateways {
		list = append(list, g)
	}
	s.mu.Unlock()
	for _, g := range list {
		if g.incomplete() {
			s.apply(cfg, addrs)
			return
		}
	}
}

// incomplete reports whether a socket of the gateway is missing.
func (g *gateway) incomplete() bool {
	for _, b := range g.conf.Load().binds {
		if !b.addr.IsValid() {
			return true
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.listeners {
		if l.err != nil {
			return true
		}
	}
	return false
}

// prepare gathers what concerns one gateway.
func (s *Stack) prepare(cfg *config.Config, gw *config.SIPGateway, addrs func(config.AddressBind) netip.Addr) (*gatewayConf, error) {
	c := &gatewayConf{cfg: cfg, gw: gw, tlsProfile: gw.TLS.In(cfg)}
	var errs []error
	tls := false
	for _, i := range gw.Interfaces {
		b := bound{i, addrs(i.Bind)}
		if !b.addr.IsValid() {
			errs = append(errs, fmt.Errorf("gateway %s interface %s: its address is not there", gw.Name, i.Name))
		}
		c.binds = append(c.binds, b)
		tls = tls || i.TLS != 0
	}
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if i.Gateway.Name == gw.Name {
				c.interfaces = append(c.interfaces, i)
			}
		}
	}
	if tls {
		if c.tlsProfile == nil {
			c.tlsErr = errNoTLSProfile
		} else if _, err := pki.ServerConfig(c.tlsProfile, s.opts.PKI); err != nil {
			c.tlsErr = err
		} else if s.opts.Clock != nil && !s.secured(gw.Name) {
			c.tlsErr = s.opts.Clock()
		}
		if c.tlsErr != nil {
			errs = append(errs, fmt.Errorf("gateway %s: %w", gw.Name, c.tlsErr))
		}
		c.tlsFingerprint = s.fingerprint(c.tlsProfile)
	}
	return c, errors.Join(errs...)
}

// secured reports whether a gateway has TLS already: it keeps it, whatever becomes of the clock.
func (s *Stack) secured(name string) bool {
	g := s.gateway(name)
	if g == nil {
		return false
	}
	c := g.conf.Load()
	return c.tlsFingerprint != "" && c.tlsErr == nil
}

// fingerprint condenses everything that a TLS connection was built from: when it changes, all are opened anew, or the peers go on
// to see the old certificate (A.10).
func (s *Stack) fingerprint(p *config.TLSProfile) string {
	if p == nil || s.opts.PKI == nil {
		return ""
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %v %v %v %v %q", p.V12, p.V13, p.AuthIncoming, p.AuthOutgoing, p.PrivateKey, p.RequireType)
	names := append([]config.PKIName(nil), p.Trusted...)
	for _, o := range p.Own {
		names = append(names, o.Name)
	}
	for _, n := range names {
		fmt.Fprintf(&b, "\n%s", n)
		_, name, _ := strings.Cut(string(n), "/")
		list, _ := s.opts.PKI.Certificates(name)
		for _, x := range list {
			b.Write(x.Raw)
		}
	}
	sum := sha256.Sum256(b.Bytes())
	return string(sum[:])
}

func (s *Stack) newGateway(name string) *gateway {
	g := &gateway{stack: s, name: name, log: s.log, rewatch: make(chan struct{}, 1), listeners: map[listenKey]*listener{},
		pool: map[poolKey]*stream{}, streams: map[*stream]struct{}{}, sources: map[netip.Addr]int{}, expected: map[netip.Addr]time.Time{},
		resolved: map[target]resolved{}, failing: map[netip.AddrPort]time.Time{}, transactions: newTransactions(), dialogs: newDialogs(), senders: newSenders(), repeats: newRepeats(s.log)}
	g.conf.Store(&gatewayConf{cfg: config.New(), gw: &config.SIPGateway{Name: name}})
	return g
}

// configure takes up a configuration and closes the sockets that it does not want. It reports whether all TLS connections are to be
// opened anew.
func (g *gateway) configure(c *gatewayConf) (anew bool) {
	old := g.conf.Swap(c)
	anew = old.tlsFingerprint != "" && old.tlsFingerprint != c.tlsFingerprint
	wanted := c.sockets()
	g.mu.Lock()
	for k, l := range g.listeners {
		if _, ok := wanted[k]; !ok || l.err != nil {
			l.close()
			delete(g.listeners, k)
		}
	}
	var retire, stranger []*stream
	for s := range g.streams {
		switch {
		case s.kind == "tls" && anew:
			retire = append(retire, s)
		case s.trusted:
			stranger = append(stranger, s)
		}
	}
	g.mu.Unlock()
	for _, s := range retire {
		s.retire()
	}
	for _, s := range stranger {
		if !g.trusts(s.remote().Addr()) {
			s.retire()
		}
	}
	select {
	case g.rewatch <- struct{}{}:
	default:
	}
	return anew
}

// sockets are those that the configuration wants, with the interface that each belongs to.
func (c *gatewayConf) sockets() map[listenKey]string {
	m := map[listenKey]string{}
	for _, b := range c.binds {
		for _, transport := range []string{"udp", "tcp", "tls"} {
			if port := b.port(transport); port != 0 && (transport != "tls" || c.tlsErr == nil) {
				m[listenKey{transport, netip.AddrPortFrom(b.addr, port)}] = b.Name
			}
		}
	}
	return m
}

// open opens the sockets that are missing and begins to watch the peers' names.
func (g *gateway) open() error {
	var errs []error
	for k, iface := range g.conf.Load().sockets() {
		g.mu.Lock()
		have := g.listeners[k]
		g.mu.Unlock()
		if have != nil {
			continue
		}
		l := g.listen(iface, k)
		g.mu.Lock()
		g.listeners[k] = l
		g.mu.Unlock()
		if l.err != nil {
			errs = append(errs, l.err)
		} else {
			g.log.Info("listening", "gw", g.name, "if", iface, "name", k.addr.String()+"/"+k.transport)
		}
	}
	if g.stop == nil {
		ctx, cancel := context.WithCancel(g.stack.ctx)
		g.stop = cancel
		g.stack.spawn(func() { g.watch(ctx) })
	}
	return errors.Join(errs...)
}

// close ends every socket and connection of the gateway. Its calls notice when they next have something to say.
func (g *gateway) close() {
	if g.stop != nil {
		g.stop()
	}
	g.mu.Lock()
	for k, l := range g.listeners {
		l.close()
		delete(g.listeners, k)
	}
	var list []*stream
	for s := range g.streams {
		list = append(list, s)
	}
	g.mu.Unlock()
	for _, s := range list {
		s.close(errConnClosed)
	}
}
