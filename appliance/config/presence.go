package config

import "time"

// PresenceService is `presence-service NAME`: how Teams users are, read from Microsoft Graph and told there.
type PresenceService struct {
	Name         string
	Enabled      bool          // no shutdown; default true
	Tenant       string        // its id, or one of its domains
	Application  string        // its id in Entra
	Certificate  string        // pki:certificate/NAME and pki:private-key/NAME sign in; "": Secret does
	Secret       Secret        // of the application
	Cloud        PresenceCloud // default global
	Proxy        HTTPProxy     // zero: none
	PollInterval time.Duration // whole seconds, 5 to 300, default 10
	All          bool          // users all; default: those of Users alone
	Match        PresenceMatch // default mail
	Map          []PresenceMap // what is not listed is as DefaultPresence says
	Users        []PresenceUser
	Exclude      []string // names of users, in any case

	ReportCalls bool // report calls: calls of the PBX make its users busy in Teams
	Preferred   bool // report calls preferred: by the user's preferred presence, which is remembered and restored

	PublishTo Ref[Switch, SIPInterface] // publish interface NAME: to whom PUBLISH goes
	Starface  StarfaceAccess            // zero: none
}

// SetDefaults sets what no configuration says.
func (p *PresenceService) SetDefaults() {
	p.Enabled, p.Cloud, p.PollInterval, p.Match = true, CloudGlobal, 10*seconds, MatchMail
}

// PresenceCloud names where a tenant lives: each cloud has hosts of its own (Microsoft Graph, national cloud deployments).
type PresenceCloud string

const (
	CloudGlobal  PresenceCloud = "global" // GCC, too
	CloudGCCHigh PresenceCloud = "gcc-high"
	CloudDoD     PresenceCloud = "dod"
)

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

// PresenceMap is `map-status STATE ...`: what follows from a state. Several may hold at once: refuse 486 and publish.
type PresenceMap struct {
	State    PresenceState
	Refuse   int  // 486, 480 or 603 to the PBX's call for this user; 0: the call goes on
	Publish  bool // device state and dialog-info: busy on the keys of other phones
	Starface bool // starface-dnd: do not disturb on all phones of the user at the PBX
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
	Name      string // user principal name or mail address; compared in any case
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
