package config

import (
	"strings"
	"time"
)

// Phones register with the box in a location service (`registration inbound` of an identity), call by the interfaces that have
// `use location-service`, are called by `service sip-location-service`, and are set up by a provisioning-service.

// RegistrationInbound is `registration inbound`: phones may register as this identity.
type RegistrationInbound struct {
	Default, Min, Max time.Duration // lifetime [default S] [min S] [max S]: whole seconds; 300, 60, 3600
	MaxContacts       int           // max-contacts N: phones at once, 1 to 16, default 4
	Refuse            bool          // max-contacts N refuse: one more gets 403; else it displaces the one that was here longest
}

// SetDefaults sets what no configuration says.
func (r *RegistrationInbound) SetDefaults() {
	r.Default, r.Min, r.Max, r.MaxContacts = 300*seconds, 60*seconds, 3600*seconds, 4
}

// PhoneService is `service sip-location-service NAME`: the phones that have registered as the called identity, all at once or one
// after the other.
type PhoneService struct {
	Name     string
	Location Ref[Config, LocationService] // bind location-service
	Fork     Fork
	Timeout  time.Duration // timeout S: how long each rings with fork sequential; whole seconds, default 20
}

// Fork is the order in which the phones of an identity ring.
type Fork string

const (
	ForkParallel   Fork = "parallel"   // all at once: the default
	ForkSequential Fork = "sequential" // one after the other, the one that registered last first
)

// SetDefaults sets what no configuration says.
func (p *PhoneService) SetDefaults() { p.Fork, p.Timeout = ForkParallel, 20*seconds }

// OneByOne reports whether the phones of an identity ring one after the other.
func (p *PhoneService) OneByOne() bool { return p.Fork == ForkSequential }

func (PhoneService) in(s *Switch) named[PhoneService] {
	return named[PhoneService]{s.PhoneServices, func(x *PhoneService) string { return x.Name }}
}

// ServiceRef names a service of a context cs: a hunt group or the phones of a location service.
type ServiceRef struct{ Name string }

// IsZero reports whether nothing is referred to.
func (r ServiceRef) IsZero() bool { return r.Name == "" }

// In returns what the name stands for in s: a hunt group, phones, or neither.
func (r ServiceRef) In(s *Switch) (*HuntGroup, *PhoneService) {
	if h := (Ref[Switch, HuntGroup](r)).In(s); h != nil {
		return h, nil
	}
	return nil, (Ref[Switch, PhoneService](r)).In(s)
}

// Names returns the names of all services in s.
func (ServiceRef) Names(s *Switch) []string {
	return append(Ref[Switch, HuntGroup]{}.Names(s), Ref[Switch, PhoneService]{}.Names(s)...)
}

// Survival is `survival NAME` of a context cs: other ways for calls while a peer is gone.
type Survival struct {
	Name   string
	Watch  Ref[Switch, SIPInterface] // watch interface NAME: its peer is gone when it answers no OPTIONS, or has lost all registrations
	After  time.Duration             // lost-after S: it has been gone for so long; whole seconds, 5 to 600, default 30
	Back   time.Duration             // back-after S: it has been well for so long; whole seconds, 5 to 3600, default 60
	Routes []SurvivalRoute
}

// SetDefaults sets what no configuration says.
func (s *Survival) SetDefaults() { s.After, s.Back = 30*seconds, 60*seconds }

func (Survival) in(s *Switch) named[Survival] {
	return named[Survival]{s.Survivals, func(x *Survival) string { return x.Name }}
}

// SurvivalRoute is `route from INTERFACE dest-… NAME`: it takes the place of the interface's `route call`. New calls alone use it.
type SurvivalRoute struct {
	From Ref[Switch, SIPInterface]
	Dest Dest
}

// ProvisioningService is `provisioning-service NAME`: phones in the LAN fetch their settings here.
type ProvisioningService struct {
	Name     string
	Enabled  bool        // no shutdown; default shut
	Bind     AddressBind // bind ipaddress ROUTER IPIF ADDRNAME
	HTTP     ProvisioningHTTP
	TFTP     bool // protocol tftp: UDP 69
	PnP      bool // protocol sip-pnp: SUBSCRIBE for ua-profile by multicast gets the URL
	Location Ref[Config, LocationService]
	Server   HostPort // server HOST [PORT]: where the phones register; default: the address of Bind, the port of the location service's gateway there
	Backup   HostPort // backup-server HOST [PORT]: their second server; zero: none

	Transport string // transport: by which the phones register, "udp" (default) or "tls"

	Administrator Secret // administrator-password of the phones' own pages; "": the maker's stays
	Language      string // language: "en" (default) or "de"

	Phones    []ProvisionedPhone
	Upstreams []string // upstream HOST: http://BOX/HOST/… is fetched from https://HOST/…, for phones that cannot verify it
}

// SetDefaults sets what no configuration says.
func (p *ProvisioningService) SetDefaults() { p.Transport, p.Language = "udp", "en" }

// ProvisioningHTTP is `protocol http [PORT]`.
type ProvisioningHTTP struct{ Port uint16 } // 0: nothing listens; default 8080

// SetDefaults sets what no configuration says.
func (h *ProvisioningHTTP) SetDefaults() { h.Port = 8080 }

// PhoneMakers are those whose phones can be set up here.
var PhoneMakers = []string{"yealink", "snom", "gigaset"}

func (ProvisioningService) in(c *Config) named[ProvisioningService] {
	return named[ProvisioningService]{c.Provisioning, func(x *ProvisioningService) string { return x.Name }}
}

// ProvisionedPhone is `phone MAC model MODEL identity NAME [address A.B.C.D] [label TEXT]`. Several of one MAC are accounts of one phone, or
// the handsets of a DECT base.
type ProvisionedPhone struct {
	MAC      MAC
	Model    string  // yealink-t46s, snom-d735, gigaset-n670, ...: one of PhoneMakers up to the first hyphen, which decides about the files
	Identity string  // of the location service
	Address  ACLHost // zero: any address, in an opened window or that of the first fetch in one
	Label    string  // on the display; "": the identity's display name, or its name
}

// Maker is the first word of the model.
func (p *ProvisionedPhone) Maker() string {
	maker, _, _ := strings.Cut(p.Model, "-")
	return maker
}

// MAC is a hardware address: twelve hex digits in small letters.
type MAC string

// String writes it with colons.
func (m MAC) String() string {
	if len(m) != 12 {
		return string(m)
	}
	return string(m[0:2] + ":" + m[2:4] + ":" + m[4:6] + ":" + m[6:8] + ":" + m[8:10] + ":" + m[10:12])
}
