package web

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
)

// signTime is how long a handshake waits for sbcd.
const signTime = 5 * time.Second

// certificate makes what TLS needs of a chain; sbcd signs with its key.
func (s *Server) certificate(chain [][]byte) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	sum := sha256.Sum256(chain[0])
	return &tls.Certificate{Certificate: chain, Leaf: leaf, PrivateKey: &signer{client: s.Client, public: leaf.PublicKey, leaf: sum[:]}}, nil
}

// present is the certificate of a handshake.
func (s *Server) present(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := s.now.Load()
	if now == nil {
		return nil, errors.New("there is no web page at the moment")
	}
	return now.certificate, nil
}

// signer signs with a key that sbcd has.
type signer struct {
	client *client.Client
	public crypto.PublicKey
	leaf   []byte // SHA-256 of the certificate
}

func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign is never called: sbcd wants to see what it signs, so package tls is given SignMessage.
func (s *signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a digest is not signed")
}

// SignMessage has sbcd sign a message.
func (s *signer) SignMessage(_ io.Reader, message []byte, o crypto.SignerOpts) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signTime)
	defer cancel()
	q := wire.SignRequest{Leaf: s.leaf, Message: message}
	if h := o.HashFunc(); h != 0 {
		q.Hash = h.String()
	}
	_, q.PSS = o.(*rsa.PSSOptions)
	r, err := s.client.Sign(ctx, q)
	return r.Signature, err
}
