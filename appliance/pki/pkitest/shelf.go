package pkitest

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"sync"
)

// Shelf is a key store (pki.Store) whose certificates tests replace while it is in use. The zero Shelf is empty.
type Shelf struct {
	mu    sync.Mutex
	pairs map[string]pair
}

type pair struct {
	chain []*x509.Certificate
	key   crypto.Signer
}

// Put stores a chain, leaf first, and its key under a name.
func (s *Shelf) Put(name string, chain []*x509.Certificate, key crypto.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pairs == nil {
		s.pairs = map[string]pair{}
	}
	s.pairs[name] = pair{chain, key}
}

func (s *Shelf) Certificates(name string) ([]*x509.Certificate, error) {
	p, err := s.get(name)
	return p.chain, err
}

func (s *Shelf) PrivateKey(name string) (crypto.Signer, error) {
	p, err := s.get(name)
	return p.key, err
}

func (s *Shelf) get(name string) (pair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pairs[name]
	if !ok {
		return p, fmt.Errorf("%s has not been imported", name)
	}
	return p, nil
}
