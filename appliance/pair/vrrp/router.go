package vrrp

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/pair"
)

// Options are what a Router is given for good.
type Options struct {
	Log      *slog.Logger
	Router   uint8         // the number of the virtual router
	Interval time.Duration // of advertisements
	Term     *pair.Term    // virtual addresses are there while it runs alone
	Ports    []Port
	Heard    func(Heard)              // an advertisement of the other box came. It is called on goroutines of ports, and must not wait
	Changed  func()                   // State says something new, other than counts. As Heard
	Within   func(func() error) error // runs f in the network of the ports, to open sockets there; nil: in that of the process
}

// Port is a port of the pair.
type Port struct {
	Name      string // of the IP interface
	Device    string // of the kernel. It may come and go
	Own       netip.Prefix
	Others    netip.Addr   // the other box's own address
	Virtual   []netip.Addr // of the pair, IPv4; none at the direct path
	Witnesses []netip.Addr // who is asked there; none: the port has no witness
}

// Heard is an advertisement of the other box.
type Heard struct {
	Port int // which of Options.Ports
	At   time.Time
	From netip.Addr
	Advert
}

// State is how the box stands at a port.
type State struct {
	Open    bool
	Why     string // it is not open, as the end of a sentence
	Carrier bool
	Held    bool // the kernel has the virtual addresses
	// Witness is what those say who are asked from the own address, and Virtual what they say to the first virtual one: silent when three echoes in a row
	// had no answer while those from the own address had one. Then the network knows the address at another box.
	Witness, Virtual pair.Witness
	Missing          bool       // the witness has answered before, and has no answer to the last echo from the own address yet
	Asked            netip.Addr // who Witness is about; invalid: there is none
	Taken            bool       // in the last seconds somebody else said in ARP that it has a virtual address
	By               string     // its hardware address
	Heard            time.Time  // an advertisement of the other box, last
	Counts
}

// Counts count packets of VRRP.
type Counts struct {
	Sent, Unsent uint64     // Unsent: they could not be sent
	Received     uint64     // of the other box
	Invalid      uint64     // of the other box, not understood
	Flooded      time.Time  // there were far more of the other box than it sends, last
	Fault        string     // what was wrong with the last invalid one
	Foreign      uint64     // with the pair's number from anybody else, ten in a second at most
	Foreigner    netip.Addr // whose the last one was
}

// Router is the box as a router of VRRP, at all ports of the pair. It is safe for concurrent use.
type Router struct{ ports []*port }

// New makes a Router. Run has it work.
func New(o Options) *Router {
	if o.Within == nil {
		o.Within = func(f func() error) error { return f() }
	}
	r := &Router{}
	for n := range o.Ports {
		r.ports = append(r.ports, newPort(&o, n))
	}
	return r
}

// Run works until ctx ends; then it removes the virtual addresses.
func (r *Router) Run(ctx context.Context) {
	var ports sync.WaitGroup
	defer ports.Wait()
	for _, p := range r.ports {
		ports.Go(func() { p.run(ctx) })
	}
}

// Advertise says at each port that the box lives and is active, or with priority 0 that it gives up. It does not wait. An error says that it could not
// be said at any port.
func (r *Router) Advertise(priority uint8) error {
	var errs []error
	for _, p := range r.ports {
		if err := p.send(priority); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) < len(r.ports) {
		return nil
	}
	return errors.Join(errs...)
}

// Hold has the box take the virtual addresses, and renew them until Release, while the term runs. It returns when the kernel has them. An error says that
// it has not all of them; they are tried again. The networks do not hear of it before Announce, or a third of a second has passed.
func (r *Router) Hold(ctx context.Context) error { return r.each(ctx, hold) }

// Release has the box give up the virtual addresses. It returns when the kernel has none of them any more.
func (r *Router) Release(ctx context.Context) error { return r.each(ctx, release) }

// Announce tells the networks where the virtual addresses are, when sockets are open at them, or again.
func (r *Router) Announce(ctx context.Context) error { return r.each(ctx, announce) }

// Leave has the virtual addresses outlive Run, as long as the kernel lets them: another Router, with another configuration, takes them on.
func (r *Router) Leave(ctx context.Context) error { return r.each(ctx, leave) }

func (r *Router) each(ctx context.Context, do demand) error {
	errs := make([]error, len(r.ports))
	var ports sync.WaitGroup
	for n, p := range r.ports {
		ports.Go(func() { errs[n] = p.request(ctx, do) })
	}
	ports.Wait()
	return errors.Join(errs...)
}

// State tells how the box stands at each of Options.Ports.
func (r *Router) State() []State {
	list := make([]State, len(r.ports))
	for n, p := range r.ports {
		list[n] = p.State()
	}
	return list
}
