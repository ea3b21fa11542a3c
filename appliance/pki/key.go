package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// ParsePrivateKey reads a paste of one PEM private key: PKCS#1, PKCS#8 or EC, in clear or encrypted under a pass phrase (PKCS#8 with
// PBES2, or OpenSSL's older form). Certificates beside it are passed over. Without a pass phrase for an encrypted key the error wraps
// ErrEncrypted, with a wrong one ErrPassphrase. No error quotes the paste.
func ParsePrivateKey(text []byte, pass string) (crypto.Signer, error) {
	all, err := blocks(text, true)
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	certificates := false
	for _, b := range all {
		var der []byte
		switch b.kind {
		case "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY":
			der = b.der
			if b.headers["Proc-Type"] == "4,ENCRYPTED" {
				der, err = decryptOld(b, pass)
			}
		case "ENCRYPTED PRIVATE KEY":
			der, err = decryptPKCS8(b.der, pass)
		case "OPENSSH PRIVATE KEY":
			err = errors.New("this is a key of SSH: TLS needs one in PKCS#8, PKCS#1 or EC form")
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			err = errors.New("this is a public key: import the private one")
		case "CERTIFICATE":
			certificates = true
			continue
		default: // EC PARAMETERS repeat the key
			continue
		}
		if err != nil {
			return nil, &ParseError{Line: b.line, Err: err}
		}
		if key != nil {
			return nil, &ParseError{Line: b.line, Text: "a second private key: import one at a time"}
		}
		if key, err = signer(der); err != nil {
			if b.headers["Proc-Type"] != "" || b.kind == "ENCRYPTED PRIVATE KEY" {
				err = ErrPassphrase // the padding can come out right by chance
			}
			return nil, &ParseError{Line: b.line, Err: err}
		}
	}
	switch {
	case key == nil && certificates:
		return nil, &ParseError{Text: "no private key, only certificates: import them with `import pki:certificate/NAME`"}
	case key == nil:
		return nil, &ParseError{Text: "no private key: there is no line -----BEGIN PRIVATE KEY-----" + pkcs12Hint(text)}
	}
	return key, nil
}

// signer reads a key in any form: labels are sometimes wrong.
func signer(der []byte) (crypto.Signer, error) {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
		return nil, fmt.Errorf("this private key cannot sign: TLS needs one that can (RSA)")
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, errors.New("this private key cannot be read: it is damaged, or of a kind that TLS does not use")
	}
	return k, nil
}

// KeyType returns the type and size of a public key, for example "RSA 2048", "EC P-256", "Ed25519".
func KeyType(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

// Belongs reports an error when the key is not the certificate's.
func Belongs(c *x509.Certificate, key crypto.Signer) error {
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(c.PublicKey) {
		return nil
	}
	return fmt.Errorf("the private key (%s) %w to the certificate of %s (%s)", KeyType(key.Public()), errForeign, subject(c), KeyType(c.PublicKey))
}

// errForeign is a part of the error of Belongs.
var errForeign = errors.New("does not belong")
