package status

import (
	"net/netip"
	"time"
)

// Registration is one identity of ours at its registrar.
type Registration struct {
	Gateway   string            `json:"gateway"`
	Identity  string            `json:"identity"`
	AOR       string            `json:"aor"` // "sip:user.01@pbx"
	Registrar string            `json:"registrar"`
	State     RegistrationState `json:"state"`
	Since     time.Time         `json:"since,omitzero"`   // in this state
	Expires   time.Time         `json:"expires,omitzero"` // zero: never registered
	Next      time.Time         `json:"next,omitzero"`    // attempt; zero: one is under way
	Code      int               `json:"code,omitempty"`   // of the last final response; 0: none came
	Reason    string            `json:"reason,omitempty"` // of the last final response
	Error     string            `json:"error,omitempty"`  // why the last attempt failed
}

// RegistrationState is how a registration does.
type RegistrationState uint8

const (
	Registering RegistrationState = iota
	Registered
	RegistrationFailed
)

var registrationStates = words{"registering", "registered", "failed"}

func (s RegistrationState) String() string { return registrationStates.text(uint8(s)) }

func (s RegistrationState) MarshalText() ([]byte, error) {
	return registrationStates.marshal(uint8(s))
}

func (s *RegistrationState) UnmarshalText(text []byte) error {
	return registrationStates.unmarshal(text, (*uint8)(s))
}

// Peer is the peer of a SIP interface.
type Peer struct {
	Interface string        `json:"interface"`
	Peer      string        `json:"peer"` // host:port
	State     PeerState     `json:"state"`
	Since     time.Time     `json:"since,omitzero"`      // in this state
	Answer    string        `json:"answer,omitempty"`    // to the last OPTIONS, or why calls stay away: "200 OK", "timeout"
	Code      int           `json:"code,omitempty"`      // of the last response; 0: none came
	Refused   bool          `json:"refused,omitempty"`   // in the TLS handshake, or by an alert after it: it does not take our certificate
	Stalled   bool          `json:"stalled,omitempty"`   // it takes connections, and no TLS handshake with it ends
	RTT       time.Duration `json:"rtt_ns,omitempty"`    // of the last response, with name look-up and connecting
	Last      time.Time     `json:"last,omitzero"`       // end of the last OPTIONS
	Next      time.Time     `json:"next,omitzero"`       // OPTIONS; zero: one is under way
	Asked     time.Time     `json:"asked,omitzero"`      // OPTIONS that has no answer yet; zero: none is under way
	Heard     time.Time     `json:"heard,omitzero"`      // last request of the peer; zero: none since the start
	HeardFrom netip.Addr    `json:"heard_from,omitzero"` // where that came from
	Responded time.Time     `json:"responded,omitzero"`  // last response of the peer to a call, likewise
	Skipped   string        `json:"skipped,omitempty"`   // why calls stay away, as the end of a sentence about the peer; "": they do not
	Messages  SIPTraffic    `json:"messages"`
}

// SIPTraffic counts the messages of a SIP interface since its gateway started, or since the interface came into the configuration.
type SIPTraffic struct {
	Received SIPMessages `json:"received"`
	Sent     SIPMessages `json:"sent"`
}

// SIPMessages counts messages of one direction. What never came is not listed.
type SIPMessages struct {
	Requests  []SIPCount `json:"requests,omitempty"`
	Responses []SIPCount `json:"responses,omitempty"`
	Repeated  uint64     `json:"repeated"` // of both, those that came or went a second time
}

// SIPCount is how many messages there were of a method, or of a code.
type SIPCount struct {
	Of string `json:"of"` // "INVITE", "other"; "486", "4xx": any code of the class that is not counted by itself
	N  uint64 `json:"n"`
}

// PeerState is what is known of a peer.
type PeerState uint8

const (
	PeerUnknown PeerState = iota // no answer yet
	PeerUp
	PeerRefuses // it answers OPTIONS with 403: Teams does so when it does not know the name in our Contact (teams.md A.2)
	PeerDown    // it is in the penalty box and gets no calls
	PeerUnasked // it has no penalty-box, so it gets no OPTIONS
)

var peerStates = words{"unknown", "up", "refuses", "down", "unasked"}

func (s PeerState) String() string                   { return peerStates.text(uint8(s)) }
func (s PeerState) MarshalText() ([]byte, error)     { return peerStates.marshal(uint8(s)) }
func (s *PeerState) UnmarshalText(text []byte) error { return peerStates.unmarshal(text, (*uint8)(s)) }

// Connection is an open TCP or TLS connection of a gateway.
type Connection struct {
	Gateway   string         `json:"gateway"`
	Interface string         `json:"interface,omitempty"` // the SIP interface that its peer belongs to; "": none any more
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote"`
	Accepted  bool           `json:"accepted"` // the peer has opened it
	Opened    time.Time      `json:"opened"`
	Used      time.Time      `json:"used"` // a message was sent
	TLS       *TLS           `json:"tls,omitempty"`
}

// TLS is what a handshake has agreed on.
type TLS struct {
	Version  string    `json:"version"` // "TLS 1.3"
	Suite    string    `json:"suite"`
	Subject  string    `json:"subject,omitempty"` // of the peer's certificate; "": it showed none
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
}

// Gateway is a configured SIP gateway.
type Gateway struct {
	Name        string             `json:"name"`
	Interfaces  []GatewayInterface `json:"interfaces,omitempty"`
	Connections int                `json:"connections"` // open, in both directions
	Legs        int                `json:"legs"`
	Requests    uint64             `json:"requests"`  // received and trusted
	Untrusted   uint64             `json:"untrusted"` // datagrams and connections of strangers, dropped
	Malformed   uint64             `json:"malformed"` // messages that could not be parsed
	Refused     uint64             `json:"refused"`   // requests that the check answered with an error
	Surplus     uint64             `json:"surplus"`   // messages beyond the limits of their source
	Shed        uint64             `json:"shed"`      // calls that came while the box had more of them than it can carry
}

// GatewayInterface is one interface of a gateway.
type GatewayInterface struct {
	Name      string                `json:"name"`
	State     GatewayInterfaceState `json:"state"`
	Listeners []Listener            `json:"listeners,omitempty"`
	Error     string                `json:"error,omitempty"` // of a listener
}

// GatewayInterfaceState is how an interface of a gateway does.
type GatewayInterfaceState uint8

const (
	GatewayFailed GatewayInterfaceState = iota
	GatewayUp
	GatewayShutdown
)

var gatewayStates = words{"failed", "up", "shutdown"}

func (s GatewayInterfaceState) String() string               { return gatewayStates.text(uint8(s)) }
func (s GatewayInterfaceState) MarshalText() ([]byte, error) { return gatewayStates.marshal(uint8(s)) }

func (s *GatewayInterfaceState) UnmarshalText(text []byte) error {
	return gatewayStates.unmarshal(text, (*uint8)(s))
}

// Listener is one socket of a gateway.
type Listener struct {
	Transport string         `json:"transport"`
	Address   netip.AddrPort `json:"address"`
	State     ListenerState  `json:"state"`
	Error     string         `json:"error,omitempty"`
}

// ListenerState is how a socket does.
type ListenerState uint8

const (
	ListenerOpen      ListenerState = iota
	ListenerFailed                  // the kernel refuses it
	ListenerNoAddress               // the box does not have its address
)

var listenerStates = words{"open", "failed", "no address"}

func (s ListenerState) String() string               { return listenerStates.text(uint8(s)) }
func (s ListenerState) MarshalText() ([]byte, error) { return listenerStates.marshal(uint8(s)) }

func (s *ListenerState) UnmarshalText(text []byte) error {
	return listenerStates.unmarshal(text, (*uint8)(s))
}
