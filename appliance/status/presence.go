package status

import "time"

// Presence is what the box knows of Teams users, and tells of them: every presence-service.
type Presence struct {
	Services []PresenceService `json:"services"`
}

// PresenceService is one presence-service. Its counters began with sbcd.
type PresenceService struct {
	Name        string        `json:"name"`
	State       PresenceState `json:"state"`
	Since       time.Time     `json:"since,omitzero"` // the state
	Tenant      string        `json:"tenant"`
	Application string        `json:"application"`
	Cloud       string        `json:"cloud"`
	Consent     string        `json:"consent,omitempty"`     // link by which an administrator of the tenant consents
	Certificate string        `json:"certificate,omitempty"` // name in the key store, without its kind
	Thumbprint  string        `json:"thumbprint,omitempty"`  // of the certificate, as Entra shows it: SHA-1, in hex
	Interval    time.Duration `json:"interval_ns"`           // of polls
	Error       string        `json:"error,omitempty"`       // why it does not work
	Cure        string        `json:"cure,omitempty"`        // what to do about it
	Failures    int           `json:"failures,omitempty"`    // in a row
	Held        time.Time     `json:"held,omitzero"`         // Microsoft Graph wants to be left alone until then
	Polled      time.Time     `json:"polled,omitzero"`       // when the last answer came
	Latency     time.Duration `json:"latency_ns,omitempty"`
	Read        time.Time     `json:"read,omitzero"` // when the users of the directory were read
	ReadError   string        `json:"read_error,omitempty"`
	Directory   int           `json:"directory"` // users that were read
	Matched     int           `json:"matched"`   // of them that are ours
	Left        int           `json:"left"`      // of those that are beyond the bound of this firmware

	Problems []PresenceProblem `json:"problems,omitempty"` // of matching, bounded
	Users    []PresenceUser    `json:"users,omitempty"`    // matched ones, by name
	Starface PresenceSink      `json:"starface"`
	Reports  PresenceSink      `json:"reports"` // sessions in Teams
	Counters PresenceCounters  `json:"counters"`
}

// PresenceCounters count since sbcd has started.
type PresenceCounters struct {
	Polls     uint64 `json:"polls"`
	Failed    uint64 `json:"failed"`    // of the polls
	Throttled uint64 `json:"throttled"` // answers 429
	Changes   uint64 `json:"changes"`   // of users' states
	Reports   uint64 `json:"reports"`   // sessions set in Teams, without renewals
}

// PresenceState is how a presence-service is.
type PresenceState uint8

const (
	PresenceStarting    PresenceState = iota // nothing has been read yet
	PresenceWorking                          // the last poll was answered
	PresenceThrottled                        // Microsoft Graph wants to be left alone; see Held
	PresenceRefused                          // the sign-in or a request was refused: consent, secret, certificate, permission
	PresenceUnreachable                      // there is no answer
	PresenceFaulty                           // the answer is an error of the server, or is not understood
	PresenceUnready                          // its certificate, key or secret is missing
	PresenceShutdown                         // shutdown in the configuration
)

var presenceStates = words{"starting", "working", "throttled", "refused", "unreachable", "faulty", "unready", "shutdown"}

func (s PresenceState) String() string               { return presenceStates.text(uint8(s)) }
func (s PresenceState) MarshalText() ([]byte, error) { return presenceStates.marshal(uint8(s)) }

func (s *PresenceState) UnmarshalText(text []byte) error {
	return presenceStates.unmarshal(text, (*uint8)(s))
}

// PresenceUser is a Teams user who is an identity of ours.
type PresenceUser struct {
	Name      string `json:"name"` // user principal name
	ID        string `json:"id"`   // in the directory
	Identity  string `json:"identity"`
	Extension string `json:"extension"`

	State     string    `json:"state,omitempty"`    // a word of map-status; "": unknown
	Activity  string    `json:"activity,omitempty"` // as Microsoft Graph calls it
	Since     time.Time `json:"since,omitzero"`     // the state
	Heard     time.Time `json:"heard,omitzero"`     // when Graph last told it
	Echo      bool      `json:"echo,omitempty"`     // what Graph tells is what the box has set; State is of before
	Refuse    int       `json:"refuse,omitempty"`   // calls of the PBX get this code; 0: they go on
	Published bool      `json:"published,omitempty"`

	Line     PresenceLine    `json:"line"`
	Busy     time.Time       `json:"busy,omitzero"` // since when the line is busy
	Session  PresenceSession `json:"session"`
	Until    time.Time       `json:"until,omitzero"`     // Teams may hold a session of ours until then
	Before   string          `json:"before,omitempty"`   // the state of which the preferred presence is to be restored
	Starface bool            `json:"starface,omitempty"` // do not disturb is wished for at the STARFACE
	Error    string          `json:"error,omitempty"`    // of the last attempt to tell something
}

// PresenceProblem is why somebody is not matched.
type PresenceProblem struct {
	User string `json:"user"`
	Why  string `json:"why"`
}

// PresenceLine is what the PBX tells of the user's extension.
type PresenceLine uint8

const (
	LineUnknown PresenceLine = iota // nothing tells
	LineFree
	LineBusy
	LineCarried // busy with a call that the box carries, which Teams shows by itself
	LineEcho    // busy because the box has published so
)

var presenceLines = words{"unknown", "free", "busy", "carried", "echo"}

func (s PresenceLine) String() string               { return presenceLines.text(uint8(s)) }
func (s PresenceLine) MarshalText() ([]byte, error) { return presenceLines.marshal(uint8(s)) }

func (s *PresenceLine) UnmarshalText(text []byte) error {
	return presenceLines.unmarshal(text, (*uint8)(s))
}

// PresenceSession is the session of the application in a user's presence in Teams: Busy, in a call.
type PresenceSession uint8

const (
	SessionNone     PresenceSession = iota
	SessionSetting                  // it is asked for, or will be again after a failure
	SessionSet                      // it lives for ten minutes
	SessionRenewing                 // half of them have passed
	SessionClearing                 // it is to end, or fades by itself
)

var presenceSessions = words{"none", "setting", "set", "renewing", "clearing"}

func (s PresenceSession) String() string               { return presenceSessions.text(uint8(s)) }
func (s PresenceSession) MarshalText() ([]byte, error) { return presenceSessions.marshal(uint8(s)) }

func (s *PresenceSession) UnmarshalText(text []byte) error {
	return presenceSessions.unmarshal(text, (*uint8)(s))
}

// PresenceSink is whether something that the box tells of users arrives.
type PresenceSink struct {
	State PresenceSinkState `json:"state"`
	Since time.Time         `json:"since,omitzero"` // the state
	Error string            `json:"error,omitempty"`
}

// PresenceSinkState is how such a sink is.
type PresenceSinkState uint8

const (
	SinkOff     PresenceSinkState = iota // not configured
	SinkIdle                             // nothing had to be told yet
	SinkTelling                          // the last attempt arrived
	SinkFailing                          // it did not
)

var presenceSinks = words{"off", "idle", "telling", "failing"}

func (s PresenceSinkState) String() string               { return presenceSinks.text(uint8(s)) }
func (s PresenceSinkState) MarshalText() ([]byte, error) { return presenceSinks.marshal(uint8(s)) }

func (s *PresenceSinkState) UnmarshalText(text []byte) error {
	return presenceSinks.unmarshal(text, (*uint8)(s))
}
