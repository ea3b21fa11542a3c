// Package config is the typed configuration of a box: plain values, references by name, defaults, clone and diff.
//
// It owns the shape of the configuration and what a configuration means on its own (defaults, inheritance, which object a
// name stands for). It does not own its text: package lang binds lines to these fields, package cli parses and prints.
// A *Config that has been published is immutable; a change copies the path from the root to the changed field.
// It has no goroutines, reads no clock and opens nothing.
package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Config is a whole configuration, as `show running-config` prints it. Named objects stand in slices in the order of entry.
type Config struct {
	CLIVersion string // of the file that was read, for example "3.20"; only dialect questions look at it
	Hostname   string // system hostname; empty: the last six hex digits of the serial number
	Banner     string

	DNSServers []netip.Addr // dns-client server, in order of preference
	SNTP       SNTP
	Clock      LocalClock
	Syslog     *Syslog  // nil: the log stays in the box
	SNMP       *SNMP    // nil: nothing listens
	Metrics    *Metrics // nil: nothing listens

	CallRecords *CallRecords // nil: see Records
	Fleet       *Fleet       // nil: the box belongs to none
	Redundancy  *Redundancy  // nil: the box stands alone
	HEP         *HEP         // nil: no server gets the messages

	Web                Web
	PasswordEncryption bool // print and store secrets in a form that this box alone can read
	Console            Console
	Accounts           []*Account
	PublicKeys         []*PublicKey
	LicenseAuthorities []*LicenseAuthority

	TLS      []*TLSProfile
	ACME     []*ACMEProfile
	VoIP     []*VoIPProfile
	ACL      []*ACL
	IP       []*IPContext
	CS       []*Switch
	Auth     []*AuthService
	Location []*LocationService
	Presence []*PresenceService
	Gateways []*SIPGateway
	Ports    []*EthernetPort

	Provisioning []*ProvisioningService
}

// New returns an empty configuration with every default set.
func New() *Config {
	c := &Config{}
	c.SetDefaults()
	return c
}

func (c *Config) SetDefaults() { c.Console.IdleTimeout = 1800 * seconds }

// Console is what holds for every session at the command line.
type Console struct {
	IdleTimeout time.Duration  // console idle-timeout: whole seconds; 0 is for ever
	Telnet      uint16         // console telnet PORT; 0 off
	Access      []netip.Prefix // console access NET: may reach the console on any port; none: the networks at port ethernet 0 0
}

// SNTP is `sntp-client` and its servers.
type SNTP struct {
	Enabled bool
	Servers []*SNTPServer
}

// SNTPRoles are the places for time servers, the one that is believed when they disagree first. It takes three to tell who lies.
var SNTPRoles = []string{"primary", "secondary", "tertiary", "quaternary"}

// SNTPServer is `sntp-client server ROLE HOST [port N] [version N]`.
type SNTPServer struct {
	Role    string // one of SNTPRoles: one server each
	Host    string // name or address
	Port    uint16 // default 123
	Version uint8  // 1..4, default 4; 1 and 2 are asked as 3, whose servers answer them alike
}

func (s *SNTPServer) SetDefaults() { s.Port, s.Version = 123, 4 }

// LocalClock is the offset of local time, for printing and for tables of times: logs and certificates are in UTC.
type LocalClock struct {
	Zone string // IANA name or "+01:00"; empty is UTC
}

// Zone returns the location of a configured zone: an IANA name or an offset such as +01:00; empty is UTC.
func Zone(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		return t.Location(), nil
	}
	if name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	return l, nil
}

// Location is the zone in which people here read a clock, and in which tables of times are meant: UTC when none is set.
func (c LocalClock) Location() *time.Location {
	l, err := Zone(c.Zone)
	if err != nil {
		return time.UTC
	}
	return l
}

// Syslog is `syslog-client`: where the log is sent to.
type Syslog struct {
	Remotes       []SyslogRemote
	Severity      string // "error", "warning", "informational" (default), "debug": the least that is sent
	Facility      string // "local0" (default) to "local7"
	AuditFacility string // of the trail of who did what: "authpriv" (default), "local0" to "local7"
	Format        string // "rfc5424" (default) or "rfc3164"
	TLS           Ref[Config, TLSProfile]
}

func (s *Syslog) SetDefaults() {
	s.Severity, s.Facility, s.AuditFacility, s.Format = "informational", "local0", "authpriv", "rfc5424"
}

// SyslogRemote is `remote HOST [PORT] [TRANSPORT]`.
type SyslogRemote struct {
	Host      string // name or address
	Port      uint16 // 0: that of the transport
	Transport string // "udp" (default), "tcp" or "tls"
}

func (r *SyslogRemote) SetDefaults() { r.Transport = "udp" }

// At is the port.
func (r *SyslogRemote) At() uint16 {
	switch {
	case r.Port != 0:
		return r.Port
	case r.Transport == "tls":
		return 6514 // RFC 5425
	}
	return 514
}

// Account may log in at the console.
type Account struct {
	Class    AccountClass
	Name     string
	Password Secret // stored as a bcrypt hash; "" cannot log in remotely
	Change   bool   // the password must be changed at the next login
}

// PublicKey lets an account log in over SSH without its password.
type PublicKey struct {
	Account string
	Type    string // "ssh-ed25519", ...
	Key     string // base64, as in authorized_keys
	Comment string
}

// AccountClass orders what an account may do: an operator looks, an administrator changes, a superuser also manages accounts.
type AccountClass string

const (
	Operator      AccountClass = "operator"
	Administrator AccountClass = "administrator"
	Superuser     AccountClass = "superuser"
)

// LicenseAuthority is an issuer of license keys besides the built-in one.
type LicenseAuthority struct {
	Name string
	Key  string // Ed25519 public key, base64 (raw URL encoding), 43 characters
}

// TLSProfile is `profile tls`: one identity and one set of rules for both roles, server and client.
type TLSProfile struct {
	Name string

	V10, V11 bool // protocol tls-v1.0, tls-v1.1: accepted for old files, never negotiated
	V12, V13 bool // default true

	AuthIncoming bool // demand and verify the certificate of a peer that connects to us
	AuthOutgoing bool // verify the certificate of a peer that we connect to, and show ours

	PrivateKey   PKIName
	Own          []OwnCertificate // 1 is the leaf, the rest is the chain in order
	Trusted      []PKIName        // trust anchors; none: the built-in Microsoft and DigiCert roots
	DHParameters PKIName          // taken with a note: only ECDHE suites are used
	Compression  bool             // taken with a note: TLS compression does not exist any more

	RequireType string // "server": a peer's certificate must carry the server usage, whatever its role (Teams since 2026); "" or "any": no demand
}

func (p *TLSProfile) SetDefaults() { p.V12, p.V13 = true, true }

// OwnCertificate is `own-certificate N pki:certificate/NAME`.
type OwnCertificate struct {
	Index int
	Name  PKIName
}

// PKIName names a thing in the key store: "pki:certificate/NAME", "pki:private-key/NAME", "pki:diffie-hellman-parameters/NAME".
type PKIName string

// VoIPProfile is `profile voip`: codecs, RTP and SRTP towards a peer.
type VoIPProfile struct {
	Name   string
	Codecs []Codec // lowest index preferred

	DTMFRelay string // "default" (RFC 4733 when offered), "rtp", "signaling"

	SRTP             string // srtp transmission: "forced", "preferred", "disabled" (default)
	SRTPKeyLifetime  int    // srtp key-lifetime N: 2^N packets, 0 (not set) or 10..48
	MediaProcessing  bool   // media-processing forced: taken with a note, there is no DSP
	RTCPMultiplexing bool   // rtp rtcp-multiplexing: RTP and RTCP on one port (RFC 5761)
	DSCP             int    // rtp dscp N: of the packets that we send (RFC 2474), 0..63, default 46 (EF)
}

func (p *VoIPProfile) SetDefaults() { p.SRTP, p.DTMFRelay, p.DSCP = "disabled", "default", 46 }

// CodecNames are those that a `codec` line may have.
var CodecNames = []string{"g711alaw64k", "g711ulaw64k", "g722", "g722-64k", "g729", "g729a", "opus"}

// Codec is one `codec` line.
type Codec struct {
	Index              int
	Name               string // one of CodecNames
	RxLength, TxLength int    // milliseconds, default 20
	SilenceSuppression bool
	VoiceUpdateFrames  bool
}

func (c *Codec) SetDefaults() { c.RxLength, c.TxLength = 20, 20 }

// IPContext is `context ip NAME`.
type IPContext struct {
	Name       string
	Interfaces []*IPInterface
	Tables     []*RoutingTableIP
}

// IPInterface is an interface of an IP context; a port binds to it.
type IPInterface struct {
	Name           string
	Addresses      []IPAddress
	AdjustMSSRx    string // "" or "mtu": tcp adjust-mss rx mtu
	AdjustMSSTx    string
	MTU            int // octets, 576..9000; 0: 1500
	MediaPortFirst uint16
	MediaPortLast  uint16
	Table          Ref[IPContext, RoutingTableIP] // use routing-table: routes of what leaves with an address of this interface; zero: DEFAULT
	ACLIn, ACLOut  Ref[Config, ACL]               // use profile acl; zero: none
}

func (i *IPInterface) SetDefaults() { i.MediaPortFirst, i.MediaPortLast = 16384, 32767 }

// IPAddress is `ipaddress NAME A.B.C.D/N|dhcp`: the name is what a gateway binds to.
type IPAddress struct {
	Name   string
	DHCP   bool         // a server of the network says which; Prefix is not valid then
	Prefix netip.Prefix // with the host bits
}

// ACL is `profile acl NAME`: the first rule that matches a packet decides, and what none matches is denied. A list only narrows
// what the rest of the configuration opens. Answers to what was let through need no rule.
type ACL struct {
	Name  string
	Rules []ACLRule // in the order of their index
}

// ACLRule is `rule N permit|deny ip|tcp|udp|icmp SOURCE DESTINATION [port FIRST [LAST]]`.
type ACLRule struct {
	Index               int
	Action              string // "permit" or "deny"
	Protocol            string // "ip" is any
	Source, Destination ACLHost
	PortFirst, PortLast uint16 // of the destination, tcp and udp only; 0: any. PortLast 0: PortFirst alone
}

// ACLHost is `any`, `microsoft-teams`, an address or a network.
type ACLHost struct {
	Teams  bool         // Microsoft's networks, whatever they are in this release
	Prefix netip.Prefix // not valid: any, unless Teams is set
}

// Networks are the networks that are meant; none: every host is.
func (h ACLHost) Networks() []netip.Prefix {
	switch {
	case h.Teams:
		return TeamsNetworks
	case h.Prefix.IsValid():
		return []netip.Prefix{h.Prefix}
	}
	return nil
}

// Holds reports whether an address is meant.
func (h ACLHost) Holds(a netip.Addr) bool {
	networks := h.Networks()
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// RoutingTableIP is `routing-table NAME` of an IP context.
type RoutingTableIP struct {
	Name   string
	Routes []IPRoute
}

// IPRoute is `route PREFIX gateway GW [metric N]`.
type IPRoute struct {
	Prefix  netip.Prefix
	Gateway netip.Addr
	Metric  int
}

// EthernetPort is `port ethernet SLOT PORT`.
type EthernetPort struct {
	Slot, Port int    // 0 0 is eth00 (LAN), 0 1 is eth01 (WAN)
	Medium     Medium // speed and duplex
	Bind       IPBind // bind interface ROUTER IF
	VLANs      []*VLAN
	Enabled    bool // no shutdown; default shut
}

func (p *EthernetPort) SetDefaults() { p.Medium = Medium{Speed: "auto", Duplex: "full"} }

// Medium is `medium auto` or `medium SPEED [half|full]`.
type Medium struct {
	Speed  string // "auto" (default), or Mbit/s: "10", "100", "1000", "2500", "10000"
	Duplex string // "full" (default) or "half"; of no meaning with auto
}

// VLAN is `vlan ID` of a port: frames with this tag (IEEE 802.1Q).
type VLAN struct {
	ID      int
	Bind    IPBind
	Enabled bool // no shutdown; default shut
}

// IPBind names an interface of an IP context.
type IPBind struct {
	Context   Ref[Config, IPContext]
	Interface Ref[IPContext, IPInterface]
}

// AuthService is `authentication-service NAME`: SIP accounts.
type AuthService struct {
	Name  string
	Realm string
	Users []Credential
}

// Credential is `username U password P`.
type Credential struct {
	Username string
	Password Secret
}

// LetsIn reports whether somebody can log in over the network: an account has a password or a public key.
func (c *Config) LetsIn() bool {
	return !c.OpenDoor() || slices.ContainsFunc(c.PublicKeys, func(k *PublicKey) bool { return c.Account(k.Account) != nil })
}

// OpenDoor reports whether no account has a password: then whoever stands at the box gets in.
func (c *Config) OpenDoor() bool {
	return !slices.ContainsFunc(c.Accounts, func(a *Account) bool { return a.Password != "" })
}

// ManagingClass is the class that an account needs to manage accounts. Until there is a superuser, every administrator manages them.
func (c *Config) ManagingClass() AccountClass {
	if slices.ContainsFunc(c.Accounts, func(a *Account) bool { return a.Class == Superuser }) {
		return Superuser
	}
	return Administrator
}

// Managers are the accounts that can log in over the network and manage accounts.
func (c *Config) Managers() (list []*Account) {
	class := c.ManagingClass()
	for _, a := range c.Accounts {
		key := slices.ContainsFunc(c.PublicKeys, func(k *PublicKey) bool { return k.Account == a.Name })
		if a.Class == class && (key || a.Password != "") {
			list = append(list, a)
		}
	}
	return list
}

// Secret is a value that is masked wherever an operator looks and never logged.
type Secret string

// LogValue keeps a secret out of every log, whoever passes it.
func (Secret) String() string { return "***" }

// seconds is how the language writes whole durations.
const seconds = time.Second
