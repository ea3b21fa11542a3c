package calendar

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
)

// A signed calendar is a PEM block: the Ed25519 signature over a fixed prefix and the text, then the text.
const (
	blockType  = "VIADUCT CALENDAR"
	signedText = "viaduct calendar 1\x00"
)

// Signer may sign calendars.
type Signer struct {
	Name string
	Key  ed25519.PublicKey
}

// Sign returns the signed form of a calendar. It is for those who issue calendars: a box never needs it.
func Sign(private ed25519.PrivateKey, text []byte) ([]byte, error) {
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	signature := ed25519.Sign(private, append([]byte(signedText), text...))
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: append(signature, text...)}), nil
}

// Open reads a signed calendar and returns who signed it. Nothing of it is read before the signature has been checked.
func Open(block []byte, signers []Signer) (c *Calendar, by string, err error) {
	p, rest := pem.Decode(block)
	switch {
	case p == nil || p.Type != blockType:
		return nil, "", errors.New("it is no signed calendar: the block -----BEGIN " + blockType + "----- is missing or torn")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, "", errors.New("something follows the block of the calendar")
	case len(p.Bytes) <= ed25519.SignatureSize || len(p.Bytes) > maxSize+ed25519.SignatureSize:
		return nil, "", errors.New("the block of the calendar has the wrong size")
	}
	signature, text := p.Bytes[:ed25519.SignatureSize], p.Bytes[ed25519.SignatureSize:]
	for _, s := range signers {
		if len(s.Key) == ed25519.PublicKeySize && ed25519.Verify(s.Key, append([]byte(signedText), text...), signature) {
			c, err := Parse(text)
			return c, s.Name, err
		}
	}
	return nil, "", errors.New("the signature of the calendar is of no issuer that is trusted here (`license-authority`), or the calendar is damaged")
}
