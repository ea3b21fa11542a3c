package status

import "time"

// ACME is a certificate that the box obtains and renews by itself: one profile acme.
type ACME struct {
	Name        string    `json:"name"`
	State       ACMEState `json:"state"`
	Directory   string    `json:"directory"` // URL
	Names       []string  `json:"names"`
	Challenge   string    `json:"challenge"`
	Certificate string    `json:"certificate"` // pki:certificate/NAME
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"` // zero: there is no certificate yet
	Renew       time.Time `json:"renew,omitzero"`     // when its renewal is due
	Advised     bool      `json:"advised,omitempty"`  // by the authority (RFC 9773)
	Next        time.Time `json:"next,omitzero"`      // next attempt after a failure
	Held        time.Time `json:"held,omitzero"`      // the authority wants to be left alone until then
	Failures    int       `json:"failures,omitempty"` // in a row
	Error       string    `json:"error,omitempty"`    // of the last attempt
	Account     string    `json:"account,omitempty"`  // URL
	Records     []string  `json:"records,omitempty"`  // TXT records that challenge dns-persist wants, each as a line of a zone file
}

// ACMEState is how far the certificate is.
type ACMEState uint8

const (
	ACMEIdle       ACMEState = iota // nothing is due
	ACMEClock                       // something is due, and waits for the clock to be right
	ACMERecord                      // it waits for the TXT record
	ACMEOrdered                     // there is an order, and a key for it
	ACMEIssued                      // the authority has issued a certificate, which is not used yet
	ACMEInstalling                  // it takes the place of the one before
	ACMETrial                       // it is in use, and the hubs have not all taken it yet
	ACMEFailed                      // the last attempt failed; see Next
)

var acmeStates = words{"idle", "awaits the clock", "awaits the record", "ordered", "issued", "installing", "on trial", "failed"}

func (s ACMEState) String() string                   { return acmeStates.text(uint8(s)) }
func (s ACMEState) MarshalText() ([]byte, error)     { return acmeStates.marshal(uint8(s)) }
func (s *ACMEState) UnmarshalText(text []byte) error { return acmeStates.unmarshal(text, (*uint8)(s)) }
