package status

import "time"

// Events is what the box asks, is told and tells about who is on the phone and which messages wait, with SIP events.
type Events struct {
	Subscriptions []Subscription `json:"subscriptions"`          // of ours at the PBX, by gateway and identity
	Publications  []Publication  `json:"publications,omitempty"` // of ours, by presence-service
	Lines         []EventLine    `json:"lines,omitempty"`        // that a PBX publishes here, by interface and user
	Watchers      []Watcher      `json:"watchers,omitempty"`     // who has subscribed here, by interface, peer and user
}

// Subscription is one of ours to the calls of an identity (RFC 4235, 6665).
type Subscription struct {
	Gateway  string            `json:"gateway"`
	Identity string            `json:"identity"`
	Event    string            `json:"event"`    // dialog, or message-summary: which messages wait
	Resource string            `json:"resource"` // "sip:21@pbx": whose calls
	Peer     string            `json:"peer"`     // where it is asked for
	State    SubscriptionState `json:"state"`
	Since    time.Time         `json:"since,omitzero"`    // in this state
	Expires  time.Time         `json:"expires,omitzero"`  // zero: there is none
	Next     time.Time         `json:"next,omitzero"`     // request; zero: one is under way
	Code     int               `json:"code,omitempty"`    // of the last final response; 0: none came
	Error    string            `json:"error,omitempty"`   // why it does not work
	Busy     bool              `json:"busy,omitempty"`    // the identity is in a call
	Calls    int               `json:"calls,omitempty"`   // of those
	Waiting  bool              `json:"waiting,omitempty"` // messages wait
	New      int               `json:"new,omitempty"`     // voice messages among those
	Heard    time.Time         `json:"heard,omitzero"`    // when the last NOTIFY came
	Notified uint64            `json:"notified,omitzero"` // NOTIFYs that came
}

// SubscriptionState is how a subscription does.
type SubscriptionState uint8

const (
	Subscribing         SubscriptionState = iota // it has not been answered yet
	SubscriptionPending                          // the PBX has taken it and does not tell anything yet
	SubscriptionActive                           // it tells
	SubscriptionFailed                           // it is tried again soon
	SubscriptionRefused                          // the PBX does not offer it: it is tried again after an hour
)

var subscriptionStates = words{"subscribing", "pending", "active", "failed", "refused"}

func (s SubscriptionState) String() string { return subscriptionStates.text(uint8(s)) }

func (s SubscriptionState) MarshalText() ([]byte, error) {
	return subscriptionStates.marshal(uint8(s))
}

func (s *SubscriptionState) UnmarshalText(text []byte) error {
	return subscriptionStates.unmarshal(text, (*uint8)(s))
}

// Publication is what a presence-service tells a PBX with PUBLISH (RFC 3903).
type Publication struct {
	Service   string           `json:"service"`
	Interface string           `json:"interface"`
	Event     string           `json:"event"`
	State     PublicationState `json:"state"`
	Since     time.Time        `json:"since,omitzero"` // in this state
	Users     int              `json:"users"`          // who are told
	Busy      int              `json:"busy"`           // of them
	Waiting   int              `json:"waiting"`        // changes that have not been told yet
	Next      time.Time        `json:"next,omitzero"`  // attempt, after a failure
	Code      int              `json:"code,omitempty"` // of the last final response; 0: none came
	Error     string           `json:"error,omitempty"`
}

// PublicationState is how a publication does.
type PublicationState uint8

const (
	PublicationIdle    PublicationState = iota // there was nothing to tell yet
	Published                                  // the PBX has taken everything
	Publishing                                 // something is being told
	PublicationFailed                          // it is tried again soon
	PublicationRefused                         // the PBX does not take it: it is tried again after an hour
)

var publicationStates = words{"idle", "published", "publishing", "failed", "refused"}

func (s PublicationState) String() string               { return publicationStates.text(uint8(s)) }
func (s PublicationState) MarshalText() ([]byte, error) { return publicationStates.marshal(uint8(s)) }

func (s *PublicationState) UnmarshalText(text []byte) error {
	return publicationStates.unmarshal(text, (*uint8)(s))
}

// EventLine is what a PBX publishes here of one of its users.
type EventLine struct {
	Interface string    `json:"interface"`
	User      string    `json:"user"`
	Identity  string    `json:"identity"`
	Busy      bool      `json:"busy"`
	Since     time.Time `json:"since"`
	Expires   time.Time `json:"expires"`
}

// Watcher is a subscription of a peer here, to how a Teams user or a phone is, or which messages wait (RFC 6665).
type Watcher struct {
	Interface string    `json:"interface"`
	Peer      string    `json:"peer"`     // address
	User      string    `json:"user"`     // "21": who is watched, as the peer calls him
	Identity  string    `json:"identity"` // who that is
	Event     string    `json:"event"`    // dialog, presence or message-summary
	Busy      bool      `json:"busy"`     // as the peer was told last
	Ringing   bool      `json:"ringing,omitempty"`
	Waiting   bool      `json:"waiting,omitempty"` // messages
	Since     time.Time `json:"since"`             // the peer subscribed
	Expires   time.Time `json:"expires"`
	Notified  uint64    `json:"notified"` // NOTIFYs that the peer has taken
}

// PhoneRestart is what became of a phone that was asked to fetch its settings and start again.
type PhoneRestart struct {
	Location string `json:"location"`
	Identity string `json:"identity"`
	Phone    string `json:"phone"`           // "10.108.2.51:5060/udp"
	Model    string `json:"model,omitempty"` // its User-Agent
	Code     int    `json:"code,omitempty"`  // of its answer; 0: none came
	Error    string `json:"error,omitempty"` // why it may not start again
}
