package check

import (
	"crypto"
	"crypto/x509"
	"net/netip"
	"time"
)

// Env is what a check may know besides the configuration. The zero value knows nothing, and checks that would need to
// know are left out.
type Env struct {
	PKI     PKIStore
	Resolve func(host string) (addrs []netip.Addr, known bool) // from cache only; known false: not looked up yet
	Now     time.Time
	Synced  *bool // clock
	Serial  string
	Found   []Problem // what the box met when it applied the configuration
}

// PKIStore reads the key store. Names are without their pki: class. An error that is fs.ErrNotExist means not imported.
type PKIStore interface {
	Certificates(name string) ([]*x509.Certificate, error)
	PrivateKey(name string) (crypto.Signer, error)
}
