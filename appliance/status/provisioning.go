package status

import (
	"net/netip"
	"time"
)

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
