package vrrp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
)

// port is a port of the pair. Its run owns what changes, save what mu protects.
type port struct {
	Port
	o  *Options
	n  int    // which of Options.Ports
	id uint16 // of its echoes

	requests  chan request
	ended     chan struct{} // closed when run has ended
	echoes    chan answer
	claims    chan claim
	askings   askings
	rounds    int // of echoes
	addresses addresses
	claimed   time.Time // when somebody else said that it has a virtual address

	mu    sync.Mutex
	state State
	out   *ipv4.PacketConn // nil: not open
	index int              // of the device, while it is open
}

// request is one to run.
type request struct {
	do   demand
	done chan error
}

type demand uint8

const (
	hold demand = iota
	release
	announce
	leave
)

func newPort(o *Options, n int) *port {
	p := &port{Port: o.Ports[n], o: o, n: n, id: uint16(rand.Uint32()), requests: make(chan request), ended: make(chan struct{}), echoes: make(chan answer, 16), claims: make(chan claim)}
	p.Virtual, p.Witnesses = onlyIPv4(p.Virtual), onlyIPv4(p.Witnesses)
	p.askings = p.newAskings()
	return p
}

// onlyIPv4 leaves out addresses of IPv6: a pair has none, and the check of the configuration says so.
func onlyIPv4(list []netip.Addr) (kept []netip.Addr) {
	for _, a := range list {
		if a.Is4() {
			kept = append(kept, a)
		}
	}
	return kept
}

// State tells how the box stands at the port now.
func (p *port) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *port) send(priority uint8) error {
	a := Advert{Router: p.o.Router, Priority: priority, Interval: p.o.Interval, Addresses: p.Virtual}
	if len(a.Addresses) == 0 {
		a.Addresses = []netip.Addr{p.Own.Addr()} // at the direct path: there has to be one
	}
	b, err := a.Append(nil, p.Own.Addr())
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil && p.state.Why == "" {
		return nil // run has only begun
	}
	if p.out == nil {
		p.state.Unsent++
		return fmt.Errorf("send advertisement at %s: %w", p.Device, errNotOpen)
	}
	// The deadline is for a device that takes nothing more.
	_ = p.out.SetWriteDeadline(time.Now().Add(intervalUnit))
	if _, err = p.out.WriteTo(b, &ipv4.ControlMessage{Src: p.Own.Addr().AsSlice(), IfIndex: p.index}, &net.IPAddr{IP: group.AsSlice()}); err != nil {
		p.state.Unsent++
		return fmt.Errorf("send advertisement at %s: %w", p.Device, err)
	}
	p.state.Sent++
	return nil
}

var errNotOpen = errors.New("the device is not there")

func (p *port) request(ctx context.Context, do demand) error {
	r := request{do: do, done: make(chan error, 1)}
	select {
	case p.requests <- r:
		return <-r.done // at once: run waits for nothing else
	case <-p.ended:
		return fmt.Errorf("virtual addresses at %s: %w", p.Device, net.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("virtual addresses at %s: %w", p.Device, ctx.Err())
	}
}

// retry is when what could not be opened is tried again. The news that the device came has it tried at once.
const retry = time.Second

func (p *port) run(ctx context.Context) {
	defer close(p.ended)
	for ctx.Err() == nil {
		if err := p.serve(ctx); ctx.Err() == nil {
			p.closed(err)
			p.wait(ctx)
		}
	}
}

// closed notes that the port is not open, and why.
func (p *port) closed(err error) {
	p.addresses.renewed, p.addresses.present = time.Time{}, false
	p.askings = p.newAskings()
	if old := p.State(); old.Open || old.Why == "" {
		p.o.Log.Warn("VRRP cannot work at a port", "port", p.Name, "device", p.Device, "error", err)
	}
	p.update(func(s *State) {
		*s = State{Why: err.Error(), Heard: s.Heard, Counts: s.Counts}
	})
}

// wait waits until the port may be worth another try.
func (p *port) wait(ctx context.Context) {
	timer := time.NewTimer(retry)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case r := <-p.requests:
			var err error
			switch r.do {
			case hold:
				if p.addresses.want = true; len(p.Virtual) > 0 {
					err = fmt.Errorf("add virtual addresses to %s: %w", p.Device, errNotOpen)
				}
			case release, leave:
				p.addresses.want = false
			}
			r.done <- err
		}
	}
}

// demanded does what was asked of an open port.
func (p *port) demanded(s *station, do demand) error {
	switch do {
	case hold:
		p.addresses.want = true
	case release:
		p.addresses.want, p.addresses.public = false, false
		return p.remove(s)
	case announce:
		p.announceFrom(time.Now())
	case leave:
		return p.leave(s)
	}
	return p.keep(s, time.Now())
}

// holds reports whether the kernel has the virtual addresses.
func (p *port) holds() bool { return !p.addresses.renewed.IsZero() }

// serve works while the device is there.
func (p *port) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	links, err := p.watch(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer func() {
		cancel()
		for range links { // until the subscription has ended
		}
	}()
	s, err := p.open()
	if err != nil {
		return err
	}
	defer s.close()
	defer p.restoreARP(s)
	p.start(s)
	defer p.stop(s)
	return p.work(ctx, s, links)
}

// start has the sockets read, and lets Send use them.
func (p *port) start(s *station) {
	for _, f := range []func(*station){p.hear, p.hearStrangers, p.hearEchoes, p.hearClaims} {
		s.readers.Go(func() { f(s) })
	}
	p.mu.Lock()
	p.out, p.index = s.box, s.index
	p.mu.Unlock()
	p.update(func(st *State) { st.Open, st.Why = true, "" })
	p.o.Log.Debug("VRRP works at a port", "port", p.Name, "device", p.Device)
}

// stop ends what start began, and gives up the addresses.
func (p *port) stop(s *station) {
	p.mu.Lock()
	p.out = nil
	p.mu.Unlock()
	if !p.addresses.present {
		return
	}
	if err := p.remove(s); err != nil {
		p.o.Log.Debug("virtual addresses were not removed", "port", p.Name, "error", err) // the device may be gone; else the kernel does it soon
	}
}

// work is the loop of an open port. It ends with ctx, or with the device.
func (p *port) work(ctx context.Context, s *station, links <-chan netlink.LinkUpdate) error {
	renew, rounds, inquiries := time.NewTicker(renewal), time.NewTicker(hurry), time.NewTicker(inquiry)
	defer renew.Stop()
	defer rounds.Stop()
	defer inquiries.Stop()
	soon := time.NewTimer(0)
	defer soon.Stop()
	var fault string // of addresses, that was told
	kept := func(err error) {
		if text := fmt.Sprint(err); err == nil || errors.Is(err, errTermOver) {
			fault = ""
		} else if text != fault {
			fault = text
			p.o.Log.Error("virtual addresses cannot be set", "port", p.Name, "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u, ok := <-links:
			if err := p.linked(s, u, ok); err != nil {
				return err
			}
		case r := <-p.requests:
			err := p.demanded(s, r.do)
			kept(err)
			p.publish() // whoever asked finds in State what was done
			r.done <- err
		case <-renew.C:
			kept(p.keep(s, time.Now()))
		case <-rounds.C:
			p.ask(s)
		case r := <-p.echoes:
			p.answered(r)
		case c := <-p.claims:
			p.wasClaimed(s, c)
		case <-inquiries.C:
			p.inquire(s)
		case <-soon.C:
			if p.addresses.want && !p.holds() {
				kept(p.keep(s, time.Now()))
			}
		case err := <-s.failed:
			return fmt.Errorf("read from %s: %w", p.Device, err)
		}
		if wait, due := p.announcement(s, time.Now()); due {
			soon.Reset(wait)
		} else if p.addresses.want && !p.holds() && len(p.Virtual) > 0 {
			soon.Reset(retrial)
		}
		p.publish()
	}
}

// publish brings State up to date with what the loop knows.
func (p *port) publish() {
	own, who, virtual, missing := p.judge()
	p.update(func(st *State) {
		st.Held, st.Witness, st.Asked, st.Virtual = p.holds(), own, who, virtual
		st.Missing = missing
		if st.Taken = time.Since(p.claimed) < claimLasts; !st.Taken {
			st.By = ""
		}
	})
}

// update changes State, and tells when it says something new.
func (p *port) update(f func(*State)) {
	p.mu.Lock()
	old := p.state
	f(&p.state)
	changed := old.Open != p.state.Open || old.Carrier != p.state.Carrier || old.Held != p.state.Held ||
		old.Witness != p.state.Witness || old.Virtual != p.state.Virtual || old.Taken != p.state.Taken
	p.mu.Unlock()
	if changed && p.o.Changed != nil {
		p.o.Changed()
	}
}
