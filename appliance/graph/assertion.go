package graph

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// An assertion is good from assertionBefore ago for assertionLife: ten minutes in all, as Entra recommends, with a minute for clocks that differ.
const (
	assertionBefore = time.Minute
	assertionLife   = 9 * time.Minute
)

// jwtHeader and jwtClaims are those of an assertion (RFC 7523; Entra, certificate credentials).
type jwtHeader struct {
	Algorithm  string `json:"alg"`
	Type       string `json:"typ"`
	Thumbprint string `json:"x5t#S256"`
}

type jwtClaims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	From     int64  `json:"nbf"`
	Issued   int64  `json:"iat"`
	Until    int64  `json:"exp"`
}

// assertion says that we hold the key of the certificate that the application has in Entra. Each is used once.
func (c *Credentials) assertion(audience string, now time.Time) (string, error) {
	thumbprint := sha256.Sum256(c.Certificate.Raw)
	header, err := json.Marshal(jwtHeader{Algorithm: "PS256", Type: "JWT", Thumbprint: base64.RawURLEncoding.EncodeToString(thumbprint[:])})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(jwtClaims{Audience: audience, Issuer: c.Application, Subject: c.Application, ID: rand.Text(),
		From: now.Add(-assertionBefore).Unix(), Issued: now.Unix(), Until: now.Add(assertionLife).Unix()})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := c.Key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	if err != nil {
		return "", fmt.Errorf("sign with the key: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// unfit is why nobody can sign in with these credentials, before anything is asked.
func (c *Credentials) unfit(now time.Time) *Error {
	bad := func(text, cure string) *Error { return &Error{Kind: SignIn, Text: text, Cure: c.fill(cure)} }
	if c.Key == nil {
		if c.Secret == "" {
			return bad("neither a certificate nor a secret is configured", cureCredentials)
		}
		return nil
	}
	public, ok := c.Key.Public().(*rsa.PublicKey)
	switch {
	case c.Certificate == nil:
		return bad("the certificate is missing", cureCredentials)
	case !ok:
		return bad("the key of the certificate is no RSA key, which Microsoft Entra wants", "Make another one: `generate presence-certificate`.")
	case !public.Equal(c.Certificate.PublicKey):
		return bad("certificate and private key do not belong together", "Import both again, or make new ones: `generate presence-certificate`.")
	case now.After(c.Certificate.NotAfter):
		return bad("the certificate has expired on "+c.Certificate.NotAfter.UTC().Format(time.DateOnly), "Make a new one, and upload it in Entra: `generate presence-certificate`.")
	}
	return nil
}

// Thumbprint is the certificate's as Entra shows it: SHA-1 in upper case hex; "": there is none.
func (c *Credentials) Thumbprint() string {
	if c.Certificate == nil {
		return ""
	}
	return fmt.Sprintf("%X", sha1.Sum(c.Certificate.Raw))
}
