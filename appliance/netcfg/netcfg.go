// Package netcfg configures the kernel's network: links, addresses, routes, and a firewall that opens what the configuration opens and
// nothing else.
//
// It owns the interfaces that `port ethernet` names (and those that an earlier configuration named), every address on them,
// the routes with its own protocol number or through these interfaces, and the nftables table `viaduct`. It does not own the addresses of a pair of
// boxes, of which package vrrp adds and removes each, other interfaces, other routes, other tables, name servers or the clock. Apply is idempotent: it reads the state of the kernel, changes
// only the differences, and reports the changes.
// Its goroutine is Run's caller; beside it a subscription reads link events and a DHCP client runs for each port that wants one
// (package dhcp), and Run waits for their ends.
package netcfg

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/netcfg/dhcp"

	"github.com/vishvananda/netlink"
)

// Options configure a Net.
type Options struct {
	Log      *slog.Logger
	PortName func(slot, port int) string    // kernel's name of `port ethernet S P`; nil: PortName
	Cached   func(host string) []netip.Addr // present addresses of a trusted remote; must not block; nil: names are never resolved
	Services []Service                      // open to the management networks besides SIP and media; nil: SSH
	Leased   func()                         // a DHCP server gave or took an address, a router or name servers; must not block; may be nil
	Place    func(*config.Config) Place     // how the box stands to the addresses of its pair; nil: there is none
	Health   *health.Tracker                // for alarms of the firewall; nil: the log only
}

// PortName is the name of a port on a box whose board has no other names: `port ethernet 0 1` is eth01.
func PortName(slot, port int) string { return fmt.Sprintf("eth%d%d", slot, port) }

// Service is something of the box that the management networks may reach.
type Service struct {
	Name     string
	Protocol string // "tcp" or "udp"
	Port     uint16
}

// Net is the network of the namespace that its caller's thread is in: the same for all methods. They may be called from any
// goroutine, one at a time goes on.
type Net struct {
	o      Options
	kernel *netlink.Handle
	probe  *probe

	unfiltered atomic.Pointer[map[string]bool] // devices by which everything of the box may leave

	mu    sync.Mutex
	owned map[string]*owned                   // interfaces that we have configured, by the kernel's name
	last  *config.Config                      // applied, nil before the first
	rules string                              // of the firewall in force
	names string                              // result of peerAddresses when the rules were made
	write func(ruleset, string) (bool, error) // writeTable, save in tests
	// stands are the rules that were written last, guarded the devices that they cover. retry is the time of the next attempt after a
	// failure to write rules.
	stands  ruleset
	guarded map[string]bool
	retry   time.Time
	counts  counts
	said    string           // last error of refresh in the log
	open    []netip.AddrPort // TCP ports that everybody may reach, see Admit

	leasing
}

// leasing is what the configuration of addresses and the clients of DHCP tell each other.
type leasing struct {
	lease   chan struct{}           // one token: wanted has changed
	wanted  map[string]netlink.Link // devices that get a lease
	leases  map[string]*dhcp.Lease
	given   map[string][]config.IPRoute // their routes in force, by device
	clients map[string]*dhcp.Client     // running, for State
}

// owned is the memory of an interface that we have configured.
type owned struct {
	fixed  bool // we have set its speed
	paired bool // it was a port of a pair
}

// Report lists the changes of Apply.
type Report struct {
	Changes  []string // one readable line each; empty when everything was as configured
	Warnings []string // parts that will not work as meant although nothing failed
}

// New opens the kernel's interfaces. Close it after use.
func New(o Options) (*Net, error) {
	if o.PortName == nil {
		o.PortName = PortName
	}
	if o.Cached == nil {
		o.Cached = func(string) []netip.Addr { return nil }
	}
	if o.Place == nil {
		o.Place = func(*config.Config) Place { return Place{} }
	}
	if o.Services == nil {
		o.Services = []Service{{"ssh", "tcp", 22}}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Health == nil {
		o.Health = &health.Tracker{Log: o.Log}
	}
	kernel, err := netlink.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	probe, err := newProbe()
	if err != nil {
		kernel.Close()
		return nil, err
	}
	return &Net{o: o, kernel: kernel, probe: probe, owned: map[string]*owned{}, leasing: leasing{lease: make(chan struct{}, 1), leases: map[string]*dhcp.Lease{}}, write: writeTable}, nil
}

// Close closes the interfaces to the kernel. The network stays configured.
func (n *Net) Close() error {
	n.kernel.Close()
	return n.probe.Close()
}

// Apply configures the kernel's network by cfg. Errors carry the name of their object, are joined, and stop nothing else.
func (n *Net) Apply(cfg *config.Config) (Report, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last == nil {
		n.recall()
	}
	n.last = cfg
	return n.apply()
}

// apply applies the last configuration; n.mu is held.
func (n *Net) apply() (Report, error) {
	j := &job{Net: n, cfg: n.effective(n.last)}
	j.plan()
	n.given = map[string][]config.IPRoute{}
	for _, r := range j.table {
		if r.port != nil {
			n.given[r.port.device] = append(n.given[r.port.device], r.IPRoute)
		}
	}
	for _, p := range j.ports {
		j.makeVLAN(p)
	}
	// The firewall comes before ports are configured, and after unconfigured ports are closed: no address is ever without it.
	for _, p := range j.ports {
		if p.unconfigured {
			j.port(p)
		}
	}
	j.firewall()
	for _, p := range j.ports {
		if !p.unconfigured {
			j.port(p)
		}
	}
	j.routes()
	j.noteLeases()
	return j.done()
}

// done logs what was changed and makes the report.
func (j *job) done() (Report, error) {
	for _, c := range j.report.Changes {
		j.o.Log.Info("network changed", "change", c)
	}
	return j.report, errors.Join(j.errs...)
}
