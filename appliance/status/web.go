package status

import (
	"net/netip"
	"time"
)

// Web is the web server, and the certificate that it shows.
type Web struct {
	Port      uint16       `json:"port,omitempty"`     // of HTTPS; 0: nothing listens
	Redirect  uint16       `json:"redirect,omitempty"` // where HTTP has browsers go to HTTPS; 0: nowhere
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Profile   string       `json:"profile,omitempty"` // whose certificate it is; "": the box has made it
	Subject   string       `json:"subject,omitempty"`
	Names     []string     `json:"names,omitempty"`
	KeyType   string       `json:"key_type,omitempty"`
	SHA256    string       `json:"sha256,omitempty"`
	NotBefore time.Time    `json:"not_before,omitzero"`
	NotAfter  time.Time    `json:"not_after,omitzero"`
	Problem   string       `json:"problem,omitempty"` // why the certificate of the configured profile is not shown
	Due       string       `json:"due,omitempty"`     // why the box's own certificate is made anew once nobody looks
	Tokens    int          `json:"tokens"`
	SetUp     bool         `json:"set_up,omitempty"` // no account has a password: a code is needed, which is shown at the box
}
