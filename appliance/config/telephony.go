package config

import (
	"net/netip"
	"slices"
	"time"
)

// Switch is `context cs NAME`: routing of calls and the SIP interfaces they come and go by.
type Switch struct {
	Name    string
	Enabled bool // no shutdown; default shut: no call is routed

	NationalPrefix      string // prefix that marks a national number, for example "0"
	InternationalPrefix string // for example "00"
	CountryCode         string // digits without +, for example "49"

	Emergency []string // emergency-number: digits; calls to them are refused for nothing that is ours to decide

	MappingTables []*MappingTable
	Functions     []*ComplexFunction
	RoutingTables []*RoutingTable
	Interfaces    []*SIPInterface
	HuntGroups    []*HuntGroup
	PhoneServices []*PhoneService
	Survivals     []*Survival
}

// Property is a property of a call: "called-e164", "calling-uri", ... The same words name table types and translations.
type Property string

const (
	CalledE164  Property = "called-e164"
	CallingE164 Property = "calling-e164"
	CalledURI   Property = "called-uri"
	CallingURI  Property = "calling-uri"
	CalledName  Property = "called-name"
	CallingName Property = "calling-name"
	CalledIP    Property = "called-ip"
	CallingIP   Property = "calling-ip"
	CallingPI   Property = "calling-pi"  // "allowed" or "restricted"
	CallingSI   Property = "calling-si"  // "user-not-screened", "network-provided", ...
	TimeOfDay   Property = "time"        // keys 08:00-17:30, 22:00:00-05:59:59
	Date        Property = "date"        // keys 24.12.2026, 24.12.2026-06.01.2027
	DayOfWeek   Property = "day-of-week" // keys mon, mon-fri, saturday
	E164        Property = "e164"        // in a mapping table only: both parties
	URI         Property = "uri"         // in a mapping table only: both parties
	Name        Property = "name"        // in a mapping table only: both parties
)

// MappingTable is `mapping-table IN to OUT NAME`.
type MappingTable struct {
	In, Out Property
	Name    string
	Maps    []Mapping
}

// Mapping is `map KEY|default to VALUE`: the best matching key's value replaces the whole property; \0 to \9 stand for its groups.
type Mapping struct {
	Default bool
	Key     Pattern // when not Default
	To      string
}

// ComplexFunction is `complex-function NAME`: tables (or further functions) run in order.
type ComplexFunction struct {
	Name  string
	Steps []Step
}

// Step is `execute N TABLE`.
type Step struct {
	Index int
	Run   FunctionRef
}

// RoutingTable is `routing-table PROPERTY NAME`.
type RoutingTable struct {
	Key    Property
	Name   string
	Routes []Route
}

// Route is `route KEY|default dest-… NAME [FUNCTION]`.
type Route struct {
	Default  bool
	Key      Pattern // when not Default
	Dest     Dest
	Function FunctionRef // may be empty
}

// Dest is where a call goes: exactly one field is set, none when not configured.
type Dest struct {
	Table     Ref[Switch, RoutingTable]
	Interface Ref[Switch, SIPInterface]
	Service   ServiceRef
}

// IsZero reports whether no destination is configured.
func (d Dest) IsZero() bool { return d == Dest{} }

// HuntGroup is `service hunt-group NAME`: destinations tried one after the other.
type HuntGroup struct {
	Name       string
	Cyclic     bool          // start round robin
	Timeout    time.Duration // whole seconds; next destination when it has not answered at all (not even 100); 0: never
	DropCauses []Cause       // hunting goes on for these
	Routes     []HuntRoute
}

func (h *HuntGroup) SetDefaults() { h.DropCauses = slices.Clone(DefaultDropCauses) }

// HuntRoute is `route call N dest-… NAME`.
type HuntRoute struct {
	Index int
	Dest  Dest
}

// SIPInterface is `interface sip NAME`: a peer and how to speak with it.
type SIPInterface struct {
	Context string // the context cs that holds it
	Name    string
	Gateway Ref[Config, SIPGateway] // bind context sip-gateway
	Route   Dest                    // route call: where calls that come in here go

	Remote HostPort                     // the peer; port 0: SRV, or the transport's default
	Phones Ref[Config, LocationService] // use location-service: the peers are the phones that have registered there; then there is no Remote
	Local  HostPort                     // our identity: host part of From and PAI towards this peer

	HoldMethod HoldMethod // default sendonly

	EarlyConnect    bool
	EarlyDisconnect bool
	PassLocation    bool // geolocation pass: this peer is told where callers are
	LocalRingback   bool // ringback local: callers that come in here hear a ringing tone of ours
	TransferAccept  bool // call-transfer accept: act on REFER; default true
	TransferEmit    bool // call-transfer emit; default true
	RerouteAccept   bool // call-reroute accept: act on 3xx
	RerouteEmit     bool
	Privacy         bool // Privacy and P-Asserted-Identity (RFC 3323, 3325)

	AddressComplete string // address-complete-indication accept: "set" or ""

	Incoming []IncomingTranslation
	Outgoing []OutgoingTranslation

	VoIP       Ref[Config, VoIPProfile]
	MappingIn  Ref[Switch, MappingTable] // use mapping-table in
	MappingOut Ref[Switch, MappingTable] // use mapping-table out

	Presence Ref[Config, PresenceService] // use presence-service: the peer may subscribe and publish; zero: it may not

	SRTPRenegotiate bool // srtp renegotiate-on-connect

	PenaltyBox   PenaltyBox
	SessionTimer time.Duration // session-timer SECONDS (RFC 4028); 0 off, 90 s at least

	Trust      []Source
	MediaTrust []ACLHost // media trust: networks of the peer's media, beside Microsoft's with trust microsoft-teams; empty: all on this side
}

func (i *SIPInterface) SetDefaults() {
	i.HoldMethod, i.TransferAccept, i.TransferEmit = HoldSendonly, true, true
}

// HostPort is a name or address with an optional port (0: none given).
type HostPort struct {
	Host string
	Port uint16
}

// HoldMethod is how hold is sent; every form is understood.
type HoldMethod string

const (
	HoldInactive HoldMethod = "inactive"
	HoldSendonly HoldMethod = "sendonly"
	HoldNone     HoldMethod = "none" // hold is not passed on; music of the holding side flows
)

// IncomingTranslation is `address-translation incoming-call PROPERTY HEADER`.
type IncomingTranslation struct {
	Property Property
	Header   string // "from-header", "to-header", "request-uri", "p-asserted-identity-header", ...
}

// OutgoingTranslation is `address-translation outgoing-call HEADER PART (fix TEXT | PROPERTY)`.
type OutgoingTranslation struct {
	Header   string // "contact-header", "from-header", "to-header", "request-uri", ...
	Part     string // "user-part", "host-part"
	Fix      string
	Property Property // when Fix is empty
}

// PenaltyBox is `penalty-box sip-option-trigger interval S timeout S [force tls]`: OPTIONS every Interval; a peer that does
// not answer within Timeout, fails TLS or says 503 is skipped until it answers again. Interval 0 is off.
type PenaltyBox struct {
	Interval, Timeout time.Duration // whole seconds
	ForceTLS          bool
}

// Source is one `trust` line: the peer's own addresses, or a network.
type Source struct {
	Remote bool         // trust remote: the addresses that the remote's name resolves to
	Teams  bool         // trust microsoft-teams: Microsoft's signalling networks
	Prefix netip.Prefix // trust A.B.C.D/N
}

// SIPGateway is `context sip-gateway NAME`: sockets and their identity.
type SIPGateway struct {
	Name              string
	Interfaces        []*GatewayInterface
	Location          []Ref[Config, LocationService] // bind location-service, may be several
	TLS               Ref[Config, TLSProfile]
	AnswerUntrusted   bool // answer-untrusted-hosts: 403 for strangers instead of silence
	ConnectionReuse   bool // use an open connection of ours for further requests
	NotifyCheckSync   bool // notify check-sync accept
	Enabled           bool // no shutdown; default shut
	CallsPerSecond    int  // overload protection: 0 is no limit
	MaxConnections    int  // default 500
	MaxConnsPerSource int  // default 64

	// What one address may send; no PBX comes near the defaults.
	CallsPerSource      int // new calls a second; 0: by the licensed sessions
	UnansweredPerSource int // at once; 0: by the licensed sessions
	RequestsPerSource   int // a second, outside calls
}

// RequestsPerSource is the default of that limit.
const RequestsPerSource = 1000

// SetDefaults sets what no configuration says.
func (g *SIPGateway) SetDefaults() {
	g.MaxConnections, g.MaxConnsPerSource = 500, 64
	g.RequestsPerSource = RequestsPerSource
}

// GatewayInterface is `interface NAME` of a sip-gateway.
type GatewayInterface struct {
	Name           string
	UDPTCP         uint16 // transport-protocol udp+tcp PORT, 0 off
	TLS            uint16 // transport-protocol tls PORT, 0 off
	Bind           AddressBind
	SpoofedContact Spoofed
	SpoofedVia     Spoofed
	SpoofedMedia   netip.Addr // spoofed media-address: the c= line behind port forwarding
}

// GatewayPort is one `transport-protocol WORD PORT` line of a gateway's interface.
type GatewayPort struct {
	Word       string
	Field      string   // of GatewayInterface
	Transports []string // of SIP, of TransportNames
	Protocols  []string // below SIP: "udp", "tcp"
	Secure     bool     // it wants a TLS profile
	Port       uint16
}

// TransportNames are the transports that `transport-protocol force` may name.
var TransportNames = []string{"tls", "tcp", "udp"}

// Ports lists the ports that the interface has. Gateways listen on them, the firewall opens them, and the checks look at them.
func (i *GatewayInterface) Ports() []GatewayPort {
	all := []GatewayPort{
		{"udp+tcp", "UDPTCP", []string{"udp", "tcp"}, []string{"udp", "tcp"}, false, i.UDPTCP},
		{"tls", "TLS", []string{"tls"}, []string{"tcp"}, true, i.TLS},
	}
	return slices.DeleteFunc(all, func(p GatewayPort) bool { return p.Port == 0 })
}

// Secure reports whether the interface has a port at which nobody on the way can read or forge, and Plain whether it has another one.
func (i *GatewayInterface) Secure() bool {
	return slices.ContainsFunc(i.Ports(), func(p GatewayPort) bool { return p.Secure })
}

func (i *GatewayInterface) Plain() bool {
	return slices.ContainsFunc(i.Ports(), func(p GatewayPort) bool { return !p.Secure })
}

// AddressBind is `bind ipaddress ROUTER IPIF ADDRNAME`.
type AddressBind struct {
	Context   Ref[Config, IPContext]
	Interface Ref[IPContext, IPInterface]
	Address   string
}

// Spoofed is `spoofed contact-header|via-header manual HOST port P`; an empty Host is off.
type Spoofed struct {
	Host string
	Port uint16
}

// LocationService is `location-service NAME`: domains and the identities known in them.
type LocationService struct {
	Name       string
	Domains    []Domain
	MatchAny   bool // match-any-domain
	Groups     []*IdentityGroup
	Identities []*Identity
}

// Domain is `domain N HOST [PORT]`; the first builds host parts and is the registrar's default.
type Domain struct {
	Index int
	Host  string
	Port  uint16
}

// IdentityGroup is `identity-group NAME`; DEFAULT catches every identity that is not configured.
type IdentityGroup struct {
	Name string
	IdentitySettings
}

// Identity is `identity NAME [inherits GROUP]`.
type Identity struct {
	Name        string
	Inherits    Ref[LocationService, IdentityGroup]
	Aliases     []string
	DisplayName string // display-name: how calls from its phones show; "": as the phone says
	CallerID    string // caller-id: the calling number of its phones; "": Name
	IdentitySettings
}

// IdentitySettings say what an identity does. A nil field is not configured; an identity inherits it from its group.
type IdentitySettings struct {
	UserPhone    bool
	AuthOutbound *AuthOutbound
	AuthInbound  *AuthInbound
	Registration *Registration
	CallOutbound *CallOutbound
	CallInbound  *CallInbound
	Inbound      *RegistrationInbound

	SubscribeDialog bool // presence subscribe dialog: ask the registrar which calls the identity has (RFC 4235)
	MessageWaiting  bool // notify message-waiting: its phones are told of waiting messages, as the PBX says (RFC 3842)
}

// AuthOutbound is `authentication outbound`.
type AuthOutbound struct{ Services []Authenticate }

// Authenticate is `authenticate N authentication-service S [username U]`; without U the identity's name is the username.
type Authenticate struct {
	Index    int
	Service  Ref[Config, AuthService]
	Username string
}

// AuthInbound is `authentication inbound`: which accounts requests of this identity's phones must show.
type AuthInbound struct {
	None     bool // authenticate none
	SHA256   bool // digest sha-256: challenge for SHA-256, and for MD5 behind it; without MD5 alone
	Services []Authenticate
}

// Registration is `registration outbound`.
type Registration struct {
	Auto      bool     // register auto
	None      bool     // register none
	Registrar HostPort // empty host: the first domain
	Lifetime  time.Duration
	// Retry after a failed attempt, by kind of failure.
	RetryClientError, RetryServerError, RetrySystemError time.Duration
}

func (r *Registration) SetDefaults() {
	r.Lifetime = 3600 * seconds
	r.RetryClientError, r.RetryServerError, r.RetrySystemError = 10*seconds, 10*seconds, 10*seconds
}

// CallOutbound is `call outbound`.
type CallOutbound struct {
	ForceTransport string // transport-protocol force, one of TransportNames; "" is the gateway's own choice
}

// CallInbound is `call inbound`; it has no settings yet, its presence says that calls are taken.
type CallInbound struct{}
