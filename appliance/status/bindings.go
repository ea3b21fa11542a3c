package status

import (
	"net/netip"
	"time"
)

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
