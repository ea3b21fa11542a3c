package config

import (
	"strings"
	"time"
)

// PresenceService is `presence-service NAME`: how Teams users are, read from Microsoft Graph and told there.
type PresenceService struct {
	Name         string
	Enabled      bool    // no shutdown; default true
	Tenant       string  // its id, or one of its domains
	Application  string  // its id in Entra
	Certificate  PKIName // pki:certificate/NAME, with the PrivateKey of that name; "": Secret signs in
	Secret       ApplicationSecret
	Cloud        PresenceCloud // default global
	Proxy        HTTPProxy     // zero: none
	PollInterval time.Duration // whole seconds, 5 to 300, default 10
	Scope        PresenceScope // default listed
	Match        PresenceMatch // default mail
	Map          []PresenceMap // what is not listed is as DefaultPresence says
	Users        []PresenceUser
	Exclude      []string // names of users, in small letters

	ReportCalls bool // report calls: calls of the PBX make its users busy in Teams
	Preferred   bool // report calls preferred: by the user's preferred presence, which is remembered and restored

	PublishTo       Ref[Switch, SIPInterface] // publish interface NAME: to whose peer PUBLISH goes; see PublishPeer
	PublishEvent    PublishEvent              // default asterisk-devicestate
	PublishResource string                    // user part of the Request-URI, with asterisk-devicestate: the name of Asterisk's inbound-publication; "": viaduct

	Starface StarfaceAccess // zero: none
}

// SetDefaults sets what no configuration says.
func (p *PresenceService) SetDefaults() {
	p.Enabled, p.Cloud, p.PollInterval, p.Scope, p.Match = true, CloudGlobal, 10*seconds, ScopeListed, MatchMail
	p.PublishEvent = PublishDevices
}

// All reports whether all users of the directory are meant that Match finds, save those of Exclude; false: those of Users alone.
func (p *PresenceService) All() bool { return p.Scope == ScopeAll }

// PrivateKey is the name of the key that belongs to Certificate.
func (p *PresenceService) PrivateKey() PKIName {
	if name, ok := strings.CutPrefix(string(p.Certificate), "pki:certificate/"); ok {
		return PKIName("pki:private-key/" + name)
	}
	return ""
}

// Complete reports whether the service can sign in and read: it has a tenant, an application, and a certificate or a secret, in a cloud that
// has presence.
func (p *PresenceService) Complete() bool {
	return p.Cloud != CloudChina && p.Tenant != "" && p.Application != "" && (p.Certificate != "" || p.Secret.Value != "")
}

// PublishPeer is the interface to whose peer PUBLISH goes, in any context cs; nil: none.
func (p *PresenceService) PublishPeer(c *Config) *SIPInterface {
	for _, s := range c.CS {
		if i := p.PublishTo.In(s); i != nil {
			return i
		}
	}
	return nil
}

// ApplicationSecret is `secret VALUE [ends DATE]`: the secret of an application, and its last day as Entra shows it.
type ApplicationSecret struct {
	Value Secret    // "": none
	Ends  time.Time // the beginning of that day, in UTC; zero: nobody has said so
}

// Over is when the secret has expired: at the end of its last day. Ends is not zero.
func (s ApplicationSecret) Over() time.Time { return s.Ends.AddDate(0, 0, 1) }

// PublishEvent is the event of PUBLISH (RFC 3903).
type PublishEvent string

const (
	PublishDevices  PublishEvent = "asterisk-devicestate" // the state of devices, as Asterisks tell each other
	PublishDialog   PublishEvent = "dialog"               // RFC 4235
	PublishPresence PublishEvent = "presence"             // RFC 3856
)

// PresenceScope says which users of the directory are looked for.
type PresenceScope string

const (
	ScopeListed PresenceScope = "listed" // those of `user` lines
	ScopeAll    PresenceScope = "all"    // all but those of `exclude` lines
)

// PresenceCloud names where a tenant lives: each cloud has hosts of its own (Microsoft Graph, national cloud deployments).
type PresenceCloud string

const (
	CloudGlobal  PresenceCloud = "global"
	CloudGCC     PresenceCloud = "gcc" // has the hosts of CloudGlobal
	CloudGCCHigh PresenceCloud = "gcc-high"
	CloudDoD     PresenceCloud = "dod"
	CloudChina   PresenceCloud = "china" // its Graph has no presence: see Complete
)

// PresenceClouds are the words of `cloud`.
var PresenceClouds = []PresenceCloud{CloudGlobal, CloudGCC, CloudGCCHigh, CloudDoD, CloudChina}

// HTTPProxy is `http-proxy HOST PORT [username NAME password PASSWORD]`: CONNECT goes there.
type HTTPProxy struct {
	Host     string // name or address; "": none
	Port     uint16
	User     string // Basic; "": none
	Password Secret
	CA       PKIName // ca pki:trusted-certificate/NAME of a proxy that inspects TLS; "": roots that the box knows
}

// PresenceMatch is by what a user of the directory is found to be one of ours.
type PresenceMatch string

const (
	MatchUPN        PresenceMatch = "upn"         // identity NAME is the part before the @
	MatchMail       PresenceMatch = "mail"        // likewise
	MatchEmployeeID PresenceMatch = "employee-id" // is the identity or the extension
	MatchPhone      PresenceMatch = "phone"       // a number of businessPhones is one that a mapping table makes an identity of
)

// PresenceState is how a Teams user is, in the words of `map-status`.
type PresenceState string

const (
	PresenceUnknown PresenceState = "" // not known, too old, or a value that this firmware does not know: never free, never busy
	Available       PresenceState = "available"
	DoNotDisturb    PresenceState = "do-not-disturb"
	Presenting      PresenceState = "presenting"
	InACall         PresenceState = "in-a-call"
	InAConference   PresenceState = "in-a-conference"
	InAMeeting      PresenceState = "in-a-meeting"
	Busy            PresenceState = "busy"
	Away            PresenceState = "away"
	BeRightBack     PresenceState = "be-right-back"
	Offline         PresenceState = "offline"
	OutOfOffice     PresenceState = "out-of-office"
	OffWork         PresenceState = "off-work"
)

// PresenceStates are the words of `map-status`.
var PresenceStates = []PresenceState{DoNotDisturb, Presenting, InACall, InAConference, InAMeeting, Busy, Away, BeRightBack, Available, Offline, OutOfOffice, OffWork}

// PresenceMap is `map-status STATE (none | [refuse CODE] [publish] [starface-dnd])`: what follows from a state. Several may hold at once: refuse 486 and publish.
type PresenceMap struct {
	State       PresenceState
	None        bool // none: nothing follows, which is what the others say then, too
	Refuse      int  // 486, 480 or 603 to the PBX's call for this user; 0: the call goes on
	Publish     bool // device state and dialog-info: busy on the keys of other phones
	StarfaceDND bool // do not disturb on all phones of the user at the PBX
}

// Follows is what follows from a state: the line of `map-status`, or the default.
func (p *PresenceService) Follows(s PresenceState) PresenceMap {
	for _, m := range p.Map {
		if m.State == s {
			return m
		}
	}
	return DefaultPresence(s)
}

// DefaultPresence is what follows from a state that no `map-status` names, as in ProCall: who does not want to be disturbed is not rung, and
// nothing else changes calls.
func DefaultPresence(s PresenceState) PresenceMap {
	switch s {
	case DoNotDisturb, Presenting:
		return PresenceMap{State: s, Refuse: 486, Publish: true}
	case InACall, InAConference:
		return PresenceMap{State: s, Publish: true}
	}
	return PresenceMap{State: s}
}

// PresenceUser is `user NAME [identity IDENTITY] [extension EXTENSION]`: an explicit pair.
type PresenceUser struct {
	Name      string // user principal name or mail address; in small letters
	Identity  string // of a location-service; "": found by Match
	Extension string // at the PBX; "": the identity
}

// StarfaceAccess is `starface URL username NAME password PASSWORD`: the REST interface of a STARFACE, for starface-dnd.
type StarfaceAccess struct {
	URL      string // https://HOST; "": none
	User     string
	Password Secret
	CA       PKIName // of its certificate; "": a root that the box knows
}
