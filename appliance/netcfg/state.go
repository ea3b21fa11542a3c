package netcfg

import (
	"context"
	"net/netip"

	"viaduct/appliance/config"
)

// State is what the kernel has at one moment.
type State struct {
	Ports  []PortState
	Routes []RouteState // every route of the main table, ours and others'
}

// PortState is one `port ethernet` of the configuration.
type PortState struct {
	Slot, Port int
	Device     string // kernel's name, for example "eth01"
	Context    string // what it is bound to, "" when it is not
	Interface  string
	Enabled    bool // no shutdown
	Present    bool // the kernel has the device; everything below is zero when not
	Up, Link   bool // administratively up; carrier there
	MAC        string
	MTU        int    // octets
	Speed      int    // Mbit/s, 0 when unknown or without link
	Duplex     string // "full", "half" or ""
	Driver     string
	Addresses  []netip.Prefix
	Rx, Tx     Counters
}

// Counters of one direction since the device came up.
type Counters struct{ Packets, Octets, Errors, Dropped uint64 }

// RouteState is one route.
type RouteState struct {
	Prefix  netip.Prefix
	Gateway netip.Addr // zero when directly connected
	Device  string
	Metric  int
	Origin  string // "configured", "connected" or "other"
}

// LinkEvent says that the link of a device came or went.
type LinkEvent struct {
	Device   string
	Up, Link bool
	Gone     bool // the device itself went away
}

// State reads the kernel. cfg says which ports there are.
func (n *Net) State(cfg *config.Config) (State, error) { return State{}, nil }

// Watch calls f for every change of a link until ctx ends.
func (n *Net) Watch(ctx context.Context, f func(LinkEvent)) error { return nil }
