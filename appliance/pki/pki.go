// Package pki reads and judges certificates and private keys, and makes tls.Configs of them.
//
// It owns the forms of pasted keys and certificates, their descriptions, the built-in trust anchors, and the verification of a peer's
// certificate in either role. It does not own their storage (see Store), opens no files and has no goroutines. The
// time comes from the caller, except in a handshake, where crypto/x509 takes it.
package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/config"
)

// Store holds imported keys and certificates. Names come without their class, see Name.
type Store interface {
	Certificates(name string) ([]*x509.Certificate, error) // in the order of the paste
	PrivateKey(name string) (crypto.Signer, error)
}

// Errors that ask for a pass phrase, or for another one. They come wrapped.
var (
	ErrEncrypted  = errors.New("the private key is encrypted: a pass phrase is needed")
	ErrPassphrase = errors.New("the pass phrase is wrong")
)

// ParseError describes a fault of a paste, and its line.
type ParseError struct {
	Line int // from 1; 0: no line in particular
	Text string
	Err  error // may be nil
}

func (e *ParseError) Error() string {
	text := e.Text
	if e.Err != nil && text != "" {
		text += ": "
	}
	if e.Err != nil {
		text += e.Err.Error()
	}
	if e.Line == 0 {
		return text
	}
	return fmt.Sprintf("line %d: %s", e.Line, text)
}

func (e *ParseError) Unwrap() error { return e.Err }

// Name returns the name of a thing in the store: NAME of pki:certificate/NAME.
func Name(n config.PKIName) string {
	s := strings.TrimPrefix(string(n), "pki:")
	if _, name, ok := strings.Cut(s, "/"); ok {
		return name
	}
	return s
}

// own returns the chain and the key that a profile shows, leaf first. The two are read one after the other, and another pair may take the
// place of both meanwhile: then they are read again.
func own(p *config.TLSProfile, s Store) (chain []*x509.Certificate, key crypto.Signer, err error) {
	if chain, key, err = readOwn(p, s); errors.Is(err, errForeign) {
		return readOwn(p, s)
	}
	return chain, key, err
}

func readOwn(p *config.TLSProfile, s Store) (chain []*x509.Certificate, key crypto.Signer, err error) {
	for _, o := range ordered(p) {
		list, err := s.Certificates(Name(o.Name))
		if err != nil {
			return nil, nil, fmt.Errorf("profile tls %s: own-certificate %d: %w", p.Name, o.Index, err)
		}
		for _, c := range list { // a file of PKCS#12 may have brought what another line names, too
			if !slices.ContainsFunc(chain, c.Equal) {
				chain = append(chain, c)
			}
		}
	}
	if len(chain) == 0 || p.PrivateKey == "" {
		return nil, nil, nil
	}
	if key, err = s.PrivateKey(Name(p.PrivateKey)); err != nil {
		return nil, nil, fmt.Errorf("profile tls %s: private-key: %w", p.Name, err)
	}
	if err := Belongs(chain[0], key); err != nil {
		return nil, nil, fmt.Errorf("profile tls %s: %w", p.Name, err)
	}
	return chain, key, nil
}

// anchors returns the certificates that a profile trusts. It leaves out configured ones that are missing, since the others still count.
// It fails only when none is left: the built-in ones would trust peers that the administrator did not choose.
func anchors(p *config.TLSProfile, s Store) (*x509.CertPool, error) {
	if len(p.Trusted) == 0 {
		return Roots(), nil
	}
	pool, found := x509.NewCertPool(), false
	var missing error
	for _, n := range p.Trusted {
		list, err := s.Certificates(Name(n))
		missing = errors.Join(missing, err)
		for _, c := range list {
			pool.AddCert(c)
			found = true
		}
	}
	if !found {
		return nil, fmt.Errorf("profile tls %s: no trusted certificate can be used: %w", p.Name, missing)
	}
	return pool, nil
}
