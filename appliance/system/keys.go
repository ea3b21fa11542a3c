package system

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// Keys that the box makes, and those that come with their certificate.

func certificateName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyCertificate) + "/" + name)
}

func keyName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyPrivate) + "/" + name)
}

// GenerateKey makes an RSA key. A key of that name is replaced only if the administrator says so.
func (s *System) GenerateKey(name string, bits int, replace bool) (string, error) {
	if _, err := s.store.PrivateKey(name); !errors.Is(err, fs.ErrNotExist) && !replace {
		if users := s.usersOf(keyName(name)); len(users) > 0 {
			return "", fmt.Errorf("%s is in use in %s: give the new key another name; with replace, TLS fails there until the certificate for the new key is imported", name, strings.Join(users, ", "))
		}
		return "", errors.New("there is a key of this name: give the new one another name, or add replace")
	}
	key, err := pki.NewKey(bits)
	if err != nil {
		return "", err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return "", err
	}
	if _, err := s.store.ImportPrivateKey(name, text, ""); err != nil {
		return "", err
	}
	s.republish()
	return fmt.Sprintf("private key %s: %s; `generate pki:certificate-request/%s` prints the request for its certificate", name, pki.KeyType(key.Public()), name), nil
}

// usersOf lists the profiles that name a certificate or a key.
func (s *System) usersOf(what config.PKIName) (list []string) {
	for _, t := range s.Running().TLS {
		if t.PrivateKey == what {
			list = append(list, "profile tls "+t.Name)
		}
	}
	return list
}

// CertificateRequest returns a request in PEM that is signed with a key of the store.
func (s *System) CertificateRequest(name string, names []string) ([]byte, error) {
	key, err := s.store.PrivateKey(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no private key %s: `generate pki:private-key/%s` makes one", name, name)
	}
	if err != nil {
		return nil, err
	}
	return pki.Request(key, names)
}

// ImportPKCS12 stores a certificate with its chain and its key, both or neither. The key goes to the name that the profiles of the
// certificate have for it.
func (s *System) ImportPKCS12(name string, der []byte, passphrase string) (string, error) {
	p, err := pki.ParsePKCS12(der, passphrase)
	if err != nil {
		return "", err
	}
	cfg := s.Running()
	into := pki.Name(check.KeyBeside(cfg, certificateName(name)))
	for _, what := range []config.PKIName{certificateName(name), keyName(into)} {
		if err := check.KeyForTeams(cfg, what, p.Key.Public()); err != nil {
			return "", err
		}
	}
	text, err := pki.KeyPEM(p.Key)
	if err != nil {
		return "", err
	}
	if err := s.keyFits(into, p.Key, certificateName(name)); err != nil {
		return "", err
	}
	if err := s.store.InstallPair(name, into, pki.ChainPEM(p.Chain), text); err != nil {
		return "", err
	}
	s.republish()
	answer := fmt.Sprintf("certificate %s: %s\nprivate key %s: %s", name, chainLine(p.Chain), into, pki.KeyType(p.Key.Public()))
	if n := len(p.Leftover); n > 0 {
		answer += fmt.Sprintf("\nleft out, as a root or no part of the chain: %s", pki.Describe(p.Leftover[0]).Subject)
		if n > 1 {
			answer += fmt.Sprintf(", and %d more", n-1)
		}
	}
	return s.doubted(answer, certificateName(name)), nil
}
