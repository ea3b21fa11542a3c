package status

import (
	"net/netip"
	"time"
)

// Phone is an identity as which phones may register, and those that have.
type Phone struct {
	Location    string    `json:"location"` // location service
	Identity    string    `json:"identity"`
	Aliases     []string  `json:"aliases,omitempty"`
	DisplayName string    `json:"display_name,omitempty"`
	CallerID    string    `json:"caller_id"` // the calling number of its phones
	Most        int       `json:"most"`      // phones that may be registered at once
	Bindings    []Binding `json:"bindings"`
}

// Binding is a phone that has registered with the box as an identity.
type Binding struct {
	Location  string         `json:"location"` // location service
	Identity  string         `json:"identity"`
	State     BindingState   `json:"state"`
	Contact   string         `json:"contact"`   // as the phone wrote it: a URI
	Source    netip.AddrPort `json:"source"`    // where requests reach it
	Transport string         `json:"transport"` // "udp", "tcp", "tls"
	UserAgent string         `json:"user_agent,omitempty"`
	Instance  string         `json:"instance,omitempty"` // by which it is known again: "<urn:uuid:...>"
	Since     time.Time      `json:"since"`              // its first registration, or the start of the box
	Refreshed time.Time      `json:"refreshed"`
	Expires   time.Time      `json:"expires"`
}

// BindingState is how a binding is.
type BindingState uint8

const (
	BindingRegistered BindingState = iota // calls reach it
	BindingWaiting                        // it was registered by a connection before the box restarted, and has yet to come back
)

var bindingStates = words{"registered", "waiting"}

func (s BindingState) String() string               { return bindingStates.text(uint8(s)) }
func (s BindingState) MarshalText() ([]byte, error) { return bindingStates.marshal(uint8(s)) }
func (s *BindingState) UnmarshalText(text []byte) error {
	return bindingStates.unmarshal(text, (*uint8)(s))
}

// Provisioning is what phones have fetched from the box: every provisioning-service.
type Provisioning struct {
	Open     time.Time             `json:"open_until,omitzero"` // until then the first fetch of a phone fixes its address
	OpenedBy string                `json:"opened_by,omitempty"`
	Services []ProvisioningService `json:"services"`
	// Strangers asked for files of phones that are not configured; the latest ones, bounded.
	Strangers []ProvisionedPhone    `json:"strangers,omitempty"`
	Templates []ProvisioningUsed    `json:"templates"`
	Upstreams []ProvisioningForeign `json:"upstreams,omitempty"`
}

// ProvisioningService is one provisioning-service.
type ProvisioningService struct {
	Name   string             `json:"name"`
	State  ProvisioningState  `json:"state"`
	Error  string             `json:"error,omitempty"` // why it does not serve
	URL    string             `json:"url,omitempty"`   // what phones are told, by hand or by DHCP option 66
	TFTP   bool               `json:"tftp"`
	PnP    bool               `json:"sip_pnp"`
	Phones []ProvisionedPhone `json:"phones,omitempty"`
}

// ProvisioningState is how a provisioning-service is.
type ProvisioningState uint8

const (
	ProvisioningShutdown ProvisioningState = iota // shutdown in the configuration
	ProvisioningServing
	ProvisioningFailed // it has no address in the LAN, or a port cannot be had
)

var provisioningStates = words{"shutdown", "serving", "failed"}

func (s ProvisioningState) String() string               { return provisioningStates.text(uint8(s)) }
func (s ProvisioningState) MarshalText() ([]byte, error) { return provisioningStates.marshal(uint8(s)) }

func (s *ProvisioningState) UnmarshalText(text []byte) error {
	return provisioningStates.unmarshal(text, (*uint8)(s))
}

// ProvisionedPhone is a phone with a file, or one that wants one.
type ProvisionedPhone struct {
	MAC        string     `json:"mac"`                  // with colons
	Model      string     `json:"model,omitempty"`      // as configured
	Identities []string   `json:"identities,omitempty"` // as configured
	Label      string     `json:"label,omitempty"`
	Address    netip.Addr `json:"address,omitzero"`     // that alone may fetch; not valid: none is fixed yet
	Fetched    time.Time  `json:"fetched,omitzero"`     // last
	File       string     `json:"file,omitempty"`       // last
	Fetches    uint64     `json:"fetches"`              // since sbcd has started
	UserAgent  string     `json:"user_agent,omitempty"` // of the last request
	Device     string     `json:"device,omitempty"`     // what it says of itself: maker, model
	Firmware   string     `json:"firmware,omitempty"`   // likewise
	Refused    time.Time  `json:"refused,omitzero"`     // last
	Refusals   uint64     `json:"refusals"`             // since sbcd has started
	Why        string     `json:"why,omitempty"`        // it was refused the last time
	From       netip.Addr `json:"from,omitzero"`        // address of the last request
}

// ProvisioningUsed is a template in use.
type ProvisioningUsed struct {
	Name  string `json:"name"`
	Own   bool   `json:"own"`             // an administrator's
	Fault string `json:"fault,omitempty"` // why the administrator's is not used
}

// ProvisioningTemplate is a template with its text.
type ProvisioningTemplate struct {
	ProvisioningUsed
	Text string `json:"text"`
}

// ProvisioningForeign is a host whose files are passed on.
type ProvisioningForeign struct {
	Host   string    `json:"host"`
	Passed uint64    `json:"passed"` // files, since sbcd has started
	Failed uint64    `json:"failed"`
	Error  string    `json:"error,omitempty"` // of the last attempt
	Last   time.Time `json:"last,omitzero"`   // attempt
}

// Survival is a `survival` of a context cs: whether calls take other ways because a peer is gone.
type Survival struct {
	Name   string          `json:"name"`            // PBX, or CONTEXT/PBX
	Watch  string          `json:"watch"`           // the SIP interface
	State  SurvivalState   `json:"state"`           //
	Since  time.Time       `json:"since"`           // in this state
	Next   time.Time       `json:"next,omitzero"`   // while it is losing: the other ways begin; returning: they end, if the peer stays as it is
	Active time.Time       `json:"active,omitzero"` // calls have gone the other ways since then; zero: they do not
	Why    string          `json:"why,omitempty"`   // why the peer is gone, as the end of a sentence about it
	Times  int             `json:"times"`           // how often calls have begun to go the other ways, since the start
	Routes []SurvivalRoute `json:"routes"`
}

// SurvivalRoute is another way for calls.
type SurvivalRoute struct {
	From string `json:"from"`          // the SIP interface that they come in by
	To   string `json:"to"`            // "service PHONES", "interface IF_TEAMS", "table RT"
	Over string `json:"over,omitzero"` // the survival that is in force as well, has a way for that interface, too, and stands before this one; "": none
}

// SurvivalState is how far a peer is lost, or back.
type SurvivalState uint8

const (
	SurvivalUnknown   SurvivalState = iota // nothing is known of the peer yet
	SurvivalWell                           // it is there
	SurvivalLosing                         // it is gone, not for long yet: calls go their usual ways
	SurvivalLost                           // it is gone: calls go the other ways
	SurvivalReturning                      // it is there, not for long yet: new calls still go the other ways
)

var survivalStates = words{"unknown", "well", "losing", "lost", "returning"}

// InForce reports whether new calls go the other ways.
func (s SurvivalState) InForce() bool { return s == SurvivalLost || s == SurvivalReturning }

func (s SurvivalState) String() string               { return survivalStates.text(uint8(s)) }
func (s SurvivalState) MarshalText() ([]byte, error) { return survivalStates.marshal(uint8(s)) }
func (s *SurvivalState) UnmarshalText(text []byte) error {
	return survivalStates.unmarshal(text, (*uint8)(s))
}
