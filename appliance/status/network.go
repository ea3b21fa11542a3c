package status

import (
	"net/netip"
	"time"
)

// Network is what the kernel has at one moment.
type Network struct {
	Ports  []Port  `json:"ports"`
	Routes []Route `json:"routes"` // of the main table, ours and others'
}

// Port is one `port ethernet` of the configuration, or a VLAN on it.
type Port struct {
	Slot      int            `json:"slot"`
	Port      int            `json:"port"`
	VLAN      int            `json:"vlan,omitempty"`    // its tag, 0: the port itself
	Name      string         `json:"name"`              // of the kernel's device: "eth01"
	Context   string         `json:"context,omitempty"` // the context ip that it is bound to
	Interface string         `json:"interface,omitempty"`
	Enabled   bool           `json:"enabled"` // no shutdown
	State     LinkState      `json:"state"`
	MAC       string         `json:"mac,omitempty"`
	MTU       int            `json:"mtu,omitempty"`        // octets
	Speed     int            `json:"speed_mbit,omitempty"` // 0: unknown, as without a link
	Duplex    Duplex         `json:"duplex,omitempty"`
	Driver    string         `json:"driver,omitempty"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Rx        Counters       `json:"rx"`
	Tx        Counters       `json:"tx"`
	DHCP      *Lease         `json:"dhcp,omitempty"` // nil: no DHCP client runs
}

// Counters count one direction since the device came up.
type Counters struct {
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"`
	Errors  uint64 `json:"errors"`
	Dropped uint64 `json:"dropped"`
}

// LinkState is how a port or an IP interface does.
type LinkState uint8

const (
	LinkMissing LinkState = iota // the kernel has no such device
	LinkDown                     // it is switched off
	LinkNoCarrier
	LinkUp
	LinkNotBound // an IP interface that is bound to no port
)

var linkStates = words{"missing", "down", "no carrier", "up", "not bound"}

func (s LinkState) String() string                   { return linkStates.text(uint8(s)) }
func (s LinkState) MarshalText() ([]byte, error)     { return linkStates.marshal(uint8(s)) }
func (s *LinkState) UnmarshalText(text []byte) error { return linkStates.unmarshal(text, (*uint8)(s)) }

// Duplex is whether a port sends and receives at the same time.
type Duplex uint8

const (
	DuplexUnknown Duplex = iota
	DuplexHalf
	DuplexFull
)

var duplexes = words{"", "half", "full"}

func (d Duplex) String() string                   { return duplexes.text(uint8(d)) }
func (d Duplex) MarshalText() ([]byte, error)     { return duplexes.marshal(uint8(d)) }
func (d *Duplex) UnmarshalText(text []byte) error { return duplexes.unmarshal(text, (*uint8)(d)) }

// IPInterface is an IP interface of the configuration with what the kernel has.
type IPInterface struct {
	Context   string         `json:"context"`
	Name      string         `json:"name"`
	Port      string         `json:"port,omitempty"` // "eth00"
	State     LinkState      `json:"state"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	MTU       int            `json:"mtu,omitempty"`
	DHCP      *Lease         `json:"dhcp,omitempty"` // nil: no DHCP client runs
}

// Lease is what a DHCP client has, or tries to get.
type Lease struct {
	State       LeaseState   `json:"state"`
	Address     netip.Prefix `json:"address,omitzero"` // not valid: none
	Router      netip.Addr   `json:"router,omitzero"`
	Routes      []Route      `json:"routes,omitempty"` // besides the default route
	NameServers []netip.Addr `json:"name_servers,omitempty"`
	Server      netip.Addr   `json:"server,omitzero"`
	Renew       time.Time    `json:"renew,omitzero"`
	Expires     time.Time    `json:"expires,omitzero"`
	Error       string       `json:"error,omitempty"` // of the last attempt
}

// LeaseState is the step of a DHCP client (RFC 2131 4.4).
type LeaseState uint8

const (
	LeaseDiscovering LeaseState = iota
	LeaseRequesting
	LeaseBound
	LeaseRenewing
	LeaseRebinding
	LeaseConfirming // the link was away: does the lease still hold?
)

var leaseStates = words{"discovering", "requesting", "bound", "renewing", "rebinding", "confirming"}

func (s LeaseState) String() string               { return leaseStates.text(uint8(s)) }
func (s LeaseState) MarshalText() ([]byte, error) { return leaseStates.marshal(uint8(s)) }

func (s *LeaseState) UnmarshalText(text []byte) error {
	return leaseStates.unmarshal(text, (*uint8)(s))
}

// Route is one route.
type Route struct {
	Prefix    netip.Prefix `json:"prefix"`
	Gateway   netip.Addr   `json:"gateway,omitzero"` // not valid: the network is on the link
	Interface string       `json:"interface,omitempty"`
	Metric    int          `json:"metric,omitempty"`
	Origin    RouteOrigin  `json:"origin"`
}

// RouteOrigin is where a route comes from.
type RouteOrigin uint8

const (
	RouteOther RouteOrigin = iota
	RouteConfigured
	RouteConnected
	RouteLeased // a DHCP server named it
)

var routeOrigins = words{"other", "configured", "connected", "dhcp"}

func (o RouteOrigin) String() string               { return routeOrigins.text(uint8(o)) }
func (o RouteOrigin) MarshalText() ([]byte, error) { return routeOrigins.marshal(uint8(o)) }

func (o *RouteOrigin) UnmarshalText(text []byte) error {
	return routeOrigins.unmarshal(text, (*uint8)(o))
}

// Neighbour is a host of an attached network.
type Neighbour struct {
	Address netip.Addr     `json:"address"`
	MAC     string         `json:"mac,omitempty"` // "": it has not answered
	Port    string         `json:"port"`
	State   NeighbourState `json:"state"`
}

// NeighbourState is what the kernel knows of a neighbour.
type NeighbourState uint8

const (
	NeighbourAsked NeighbourState = iota
	NeighbourReachable
	NeighbourStale
	NeighbourSilent
	NeighbourFixed
)

var neighbourStates = words{"asked", "reachable", "stale", "no answer", "fixed"}

func (s NeighbourState) String() string               { return neighbourStates.text(uint8(s)) }
func (s NeighbourState) MarshalText() ([]byte, error) { return neighbourStates.marshal(uint8(s)) }

func (s *NeighbourState) UnmarshalText(text []byte) error {
	return neighbourStates.unmarshal(text, (*uint8)(s))
}

// NameServer is a name server in use.
type NameServer struct {
	Address netip.AddrPort `json:"address"`
	Silent  time.Time      `json:"silent_until,omitzero"` // it did not answer and is asked last until then; zero: it answers
}
