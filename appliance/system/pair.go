package system

import (
	"crypto"
	"fmt"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// fits checks a pasted private key that is about to be stored under name, as keyFits does.
func (s *System) fits(name string, text []byte, passphrase string) error {
	key, err := pki.ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil // the import itself reports it
	}
	return s.keyFits(name, key, "")
}

// keyFits checks a private key that is about to be stored under name against the certificates of the profiles that use it. Certificates
// that have not been imported yet are skipped, and so is the one that is stored along with the key.
func (s *System) keyFits(name string, key crypto.Signer, with config.PKIName) error {
	if root, err := s.store.Certificates(pki.InternalName); name == pki.InternalName && err == nil && pki.Belongs(root[0], key) != nil {
		return fmt.Errorf("the key does not belong to the root of the internal CA: import pki:certificate/%s, which belongs to it, first", pki.InternalName)
	}
	for _, p := range s.Running().TLS {
		if p.PrivateKey != keyName(name) || len(p.Own) == 0 || p.Own[0].Name == with {
			continue
		}
		chain, err := s.store.Certificates(pki.Name(p.Own[0].Name))
		if err != nil || len(chain) == 0 {
			continue
		}
		if pki.Belongs(chain[0], key) != nil {
			return fmt.Errorf("the key does not belong to %s of profile tls %s: import the certificate that belongs to it first, or give the key another name",
				p.Own[0].Name, p.Name)
		}
	}
	return nil
}
