package system

import (
	"crypto"
	"fmt"
	"strings"

	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// fits checks a private key that is about to be stored under name against the certificates of the profiles that use it. Certificates
// that have not been imported yet are skipped.
func (s *System) fits(name string, text []byte, passphrase string) error {
	var key crypto.Signer
	for _, p := range s.Running().TLS {
		if strings.TrimPrefix(string(p.PrivateKey), "pki:"+string(status.KeyPrivate)+"/") != name || len(p.Own) == 0 {
			continue
		}
		leaf := strings.TrimPrefix(string(p.Own[0].Name), "pki:"+string(status.KeyCertificate)+"/")
		chain, err := s.store.Certificates(leaf)
		if err != nil || len(chain) == 0 {
			continue
		}
		if key == nil {
			if key, err = pki.ParsePrivateKey(text, passphrase); err != nil {
				return nil // the import itself reports it
			}
		}
		if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && !public.Equal(chain[0].PublicKey) {
			return fmt.Errorf("the key does not belong to %s of profile tls %s: import the certificate that belongs to it first, or give the key another name",
				p.Own[0].Name, p.Name)
		}
	}
	return nil
}
