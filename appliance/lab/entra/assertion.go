package entra

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // x5t is SHA-1 (RFC 7517, 4.8)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// maxAssertion is the longest that an assertion may be good for.
const maxAssertion = 10 * time.Minute

// verify checks an assertion of an application (RFC 7523), as in "Microsoft identity platform application authentication certificate
// credentials". s.mu is held.
func (s *Service) verify(a *Application, tenant, text string) *denial {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return deny(50027, "the assertion has %d parts", len(parts))
	}
	var raw [3][]byte
	for n, part := range parts {
		var err error
		if raw[n], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return deny(50027, "part %d of the assertion: %v", n+1, err)
		}
	}
	var header struct {
		Alg, Typ, X5t string
		X5tS256       string `json:"x5t#S256"`
	}
	var claims struct {
		Aud, Iss, Sub, Jti string
		Nbf, Exp           int64
	}
	for n, to := range []any{&header, &claims} {
		if err := json.Unmarshal(raw[n], to); err != nil {
			return deny(50027, "part %d of the assertion: %v", n+1, err)
		}
	}
	if header.Typ != "JWT" {
		return deny(50027, "typ %q", header.Typ)
	}
	cert, no := a.certificate(header.X5tS256, header.X5t)
	if no != nil {
		return no
	}
	if err := signed(cert, header.Alg, []byte(parts[0]+"."+parts[1]), raw[2]); err != nil {
		return deny(700027, "[Reason - The provided signature value did not match the expected signature value.] %v", err)
	}
	now := time.Now()
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return deny(700027, "[Reason - The key used is expired., Found key 'Start=%v, End=%v']", cert.NotBefore, cert.NotAfter)
	}
	if claims.Iss != a.id || claims.Sub != a.id {
		return deny(700021, "iss %q, sub %q, application %q", claims.Iss, claims.Sub, a.id)
	}
	base := "https://" + s.options.Login + "/"
	if claims.Aud != base+tenant+"/oauth2/v2.0/token" && claims.Aud != base+s.options.Tenant+"/oauth2/v2.0/token" {
		return deny(700023, "aud %q", claims.Aud)
	}
	begin, end := time.Unix(claims.Nbf, 0), time.Unix(claims.Exp, 0)
	if claims.Nbf == 0 || now.Before(begin) || !now.Before(end) || end.Sub(now) > maxAssertion {
		return deny(700024, "Current time: %v, assertion valid from %v, expiry time of assertion %v.", now.UTC(), begin.UTC(), end.UTC())
	}
	if claims.Jti == "" {
		return deny(50013, "no jti")
	}
	for id, until := range s.assertions {
		if now.After(until) {
			delete(s.assertions, id)
		}
	}
	if _, used := s.assertions[claims.Jti]; used {
		return deny(50013, "jti %q was used before", claims.Jti)
	}
	s.assertions[claims.Jti] = end
	return nil
}

// certificate finds the certificate whose thumbprints a header has: at least one, and none of another.
func (a *Application) certificate(sha256Print, sha1Print string) (*x509.Certificate, *denial) {
	if sha256Print == "" && sha1Print == "" {
		return nil, deny(700027, "[Reason - The key was not found.] no x5t#S256, no x5t")
	}
	e := base64.RawURLEncoding.Strict()
	new256, err256 := e.DecodeString(sha256Print)
	old, err1 := e.DecodeString(sha1Print)
	for _, c := range a.certificates {
		s256, s1 := sha256.Sum256(c.Raw), sha1.Sum(c.Raw)
		if (sha256Print == "" || err256 == nil && bytes.Equal(new256, s256[:])) && (sha1Print == "" || err1 == nil && bytes.Equal(old, s1[:])) {
			return c, nil
		}
	}
	return nil, deny(700027, "[Reason - The key was not found., Thumbprint of key used by client: '%X']", append(new256, old...))
}

// signed checks the signature of a JWT (RFC 7518, 3.3 and 3.5).
func signed(c *x509.Certificate, alg string, text, signature []byte) error {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("a key of type %T", c.PublicKey)
	}
	sum := sha256.Sum256(text)
	switch alg {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	}
	return fmt.Errorf("alg %q", alg)
}
