package check

import (
	"crypto"
	"crypto/x509"
	"net/netip"
	"time"

	"viaduct/appliance/calendar"
)

// Env describes the box around a configuration. The zero value describes nothing, and the checks that depend on it are skipped.
type Env struct {
	PKI      PKIStore
	Resolve  func(host string) (addrs []netip.Addr, known bool) // from the cache; known is false if the name was not looked up yet
	Now      time.Time
	Calendar *calendar.Calendar // what is announced for certificates
	Synced   *bool              // the clock is synchronised; nil if unknown
}

// PKIStore reads the key store. Names have no pki: prefix. An error that wraps fs.ErrNotExist means that the item was not imported.
type PKIStore interface {
	Certificates(name string) ([]*x509.Certificate, error)
	PrivateKey(name string) (crypto.Signer, error)
}
