package keyring

import (
	"crypto"
	"errors"
	"fmt"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// What may take the place of what: no profile loses the certificate that belongs to its key, and nothing the root of the internal CA.

var errRootName = errors.New("this is the name of the internal CA, which `generate pki:internal-ca` makes: take another name")

// rootFits checks a certificate that is about to be stored under the name of the root of the internal CA: with another one, nothing would be
// renewed any more.
func (r *Ring) rootFits(name string, text []byte) error {
	if name != pki.InternalName {
		return nil
	}
	chain, err := pki.ParseCertificates(text)
	if err != nil {
		return nil // the import itself reports it
	}
	if !pki.IsInternalRoot(chain[0]) {
		return fmt.Errorf("it is not the root of an internal CA: %w", errRootName)
	}
	if key, err := r.o.Store.PrivateKey(name); err == nil && pki.Belongs(chain[0], key) != nil {
		return errors.New("it is not the root whose key is in this box: a backup brings both (import backup), or `erase pki:private-key/internal-ca` comes first")
	}
	return nil
}

// fits checks a pasted private key that is about to be stored under name, as keyFits does.
func (r *Ring) fits(name string, text []byte, passphrase string) error {
	key, err := pki.ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil // the import itself reports it
	}
	return r.keyFits(name, key, "")
}

// keyFits checks a private key that is about to be stored under name against the certificates of the profiles that use it. Certificates
// that have not been imported yet are skipped, and so is the one that is stored along with the key.
func (r *Ring) keyFits(name string, key crypto.Signer, with config.PKIName) error {
	if root, err := r.o.Store.Certificates(pki.InternalName); name == pki.InternalName && err == nil && pki.Belongs(root[0], key) != nil {
		return fmt.Errorf("the key does not belong to the root of the internal CA: import pki:certificate/%s, which belongs to it, first", pki.InternalName)
	}
	for _, p := range r.o.Running().TLS {
		if p.PrivateKey != keyName(name) || len(p.Own) == 0 || p.Own[0].Name == with {
			continue
		}
		chain, err := r.o.Store.Certificates(pki.Name(p.Own[0].Name))
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
