package entra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// jwt is an assertion to be spoilt.
type jwt struct {
	header, claims map[string]any
	key            *rsa.PrivateKey
	salt           int
	after          func(string) string
}

func (j jwt) sign(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, m := range []map[string]any{j.header, j.claims} {
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, ".")))
	var signature []byte
	var err error
	if j.header["alg"] == "RS256" {
		signature, err = rsa.SignPKCS1v15(rand.Reader, j.key, crypto.SHA256, sum[:])
	} else {
		signature, err = rsa.SignPSS(rand.Reader, j.key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: j.salt})
	}
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(append(parts, base64.RawURLEncoding.EncodeToString(signature)), ".")
	if j.after != nil {
		text = j.after(text)
	}
	return text
}

func thumb256(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func thumb1(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestAssertions(t *testing.T) {
	r := newRig(t, PresenceRead)
	now := time.Now()
	old := selfSigned(t, keys()[1], now.Add(-48*time.Hour), now.Add(-24*time.Hour))
	r.app.Upload(old)
	stranger := selfSigned(t, keys()[1], now.Add(-time.Hour), now.Add(time.Hour))
	for _, c := range []struct {
		name  string
		spoil func(j *jwt)
		code  int
	}{
		{"PS256", func(*jwt) {}, 0},
		{"RS256 with the old thumbprint", func(j *jwt) {
			j.header = map[string]any{"alg": "RS256", "typ": "JWT", "x5t": thumb1(r.cert)}
		}, 0},
		{"for the tenant's id", func(j *jwt) {
			j.claims["aud"] = "https://" + Login + "/" + r.s.options.Tenant + "/oauth2/v2.0/token"
		}, 0},
		{"unsigned", func(j *jwt) { j.header["alg"] = "none" }, 700027},
		{"HMAC", func(j *jwt) { j.header["alg"] = "HS256" }, 700027},
		{"another key", func(j *jwt) { j.key = keys()[1] }, 700027},
		{"a salt of another length", func(j *jwt) { j.salt = 20 }, 700027},
		{"a certificate that was not uploaded", func(j *jwt) { j.header["x5t#S256"], j.key = thumb256(stranger), keys()[1] }, 700027},
		{"a certificate that has ended", func(j *jwt) { j.header["x5t#S256"], j.key = thumb256(old), keys()[1] }, 700027},
		{"no thumbprint", func(j *jwt) { delete(j.header, "x5t#S256") }, 700027},
		{"two thumbprints that differ", func(j *jwt) { j.header["x5t"] = thumb1(stranger) }, 700027},
		{"a thumbprint in hexadecimal", func(j *jwt) { j.header["x5t#S256"] = fmt.Sprintf("%x", sha256.Sum256(r.cert.Raw)) }, 700027},
		{"no typ", func(j *jwt) { delete(j.header, "typ") }, 50027},
		{"padded base64", func(j *jwt) { j.after = func(s string) string { return s + "=" } }, 50027},
		{"two parts", func(j *jwt) { j.after = func(s string) string { return s[:strings.LastIndexByte(s, '.')] } }, 50027},
		{"a list of audiences", func(j *jwt) { j.claims["aud"] = []any{tokenURL} }, 50027},
		{"changed after signing", func(j *jwt) {
			j.after = func(s string) string {
				p := strings.Split(s, ".")
				p[1] = base64.RawURLEncoding.EncodeToString([]byte(`{}`))
				return strings.Join(p, ".")
			}
		}, 700027},
		{"another audience", func(j *jwt) { j.claims["aud"] = "https://graph.microsoft.com" }, 700023},
		{"another issuer", func(j *jwt) { j.claims["iss"] = newID() }, 700021},
		{"another subject", func(j *jwt) { j.claims["sub"] = newID() }, 700021},
		{"ended", func(j *jwt) { j.claims["exp"] = now.Unix() - 1 }, 700024},
		{"not begun", func(j *jwt) { j.claims["nbf"] = now.Unix() + 60 }, 700024},
		{"no begin", func(j *jwt) { delete(j.claims, "nbf") }, 700024},
		{"no end", func(j *jwt) { delete(j.claims, "exp") }, 700024},
		{"for an hour", func(j *jwt) { j.claims["exp"] = now.Unix() + 3600 }, 700024},
		{"no id", func(j *jwt) { delete(j.claims, "jti") }, 50013},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &jwt{header: map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": thumb256(r.cert)}, key: keys()[0], salt: rsa.PSSSaltLengthEqualsHash,
				claims: map[string]any{"aud": tokenURL, "iss": appID, "sub": appID, "jti": newID(), "nbf": now.Unix(), "exp": now.Unix() + 300}}
			c.spoil(j)
			f := form("client_secret", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", j.sign(t))
			a := r.signIn(f)
			if c.code == 0 {
				if a.StatusCode != 200 || a.body.AccessToken == "" {
					t.Fatalf("%s: %s", a.Status, a.text)
				}
				if again := r.signIn(f); len(again.body.Codes) != 1 || again.body.Codes[0] != 50013 {
					t.Errorf("it was taken again: %s", again.text)
				}
				return
			}
			if a.StatusCode == 200 || len(a.body.Codes) != 1 || a.body.Codes[0] != c.code || !strings.HasPrefix(a.body.Description, fmt.Sprintf("AADSTS%d: ", c.code)) {
				t.Errorf("want AADSTS%d: %s %s", c.code, a.Status, a.text)
			}
		})
	}
	r.app.Forget()
	j := jwt{header: map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": thumb256(r.cert)}, key: keys()[0], salt: rsa.PSSSaltLengthEqualsHash,
		claims: map[string]any{"aud": tokenURL, "iss": appID, "sub": appID, "jti": newID(), "nbf": now.Unix(), "exp": now.Unix() + 300}}
	if a := r.signIn(form("client_secret", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", j.sign(t))); a.StatusCode != 401 {
		t.Errorf("without a certificate: %s %s", a.Status, a.text)
	}
}

func TestFormsAndSecrets(t *testing.T) {
	r := newRig(t, PresenceRead)
	r.app.AddSecret("old", time.Now())
	off := newID()
	disabled := r.s.Register(off)
	disabled.AddSecret("right", time.Now().Add(time.Hour))
	disabled.Disable()
	for _, c := range []struct {
		name, error string
		form        url.Values
		status      int
		code        int
	}{
		{"wrong secret", "invalid_client", form("client_secret", "wrong"), 401, 7000215},
		{"ended secret", "invalid_client", form("client_secret", "old"), 401, 7000222},
		{"no secret", "invalid_client", form("client_secret", ""), 401, 7000218},
		{"assertion of another type", "invalid_client", form("client_secret", "", "client_assertion_type", "jwt", "client_assertion", "x"), 401, 7000218},
		{"both", "invalid_request", form("client_assertion", "x"), 400, 9002313},
		{"unknown application", "unauthorized_client", form("client_id", newID()), 400, 700016},
		{"disabled application", "unauthorized_client", form("client_id", off), 400, 7000112},
		{"no application", "invalid_request", form("client_id", ""), 400, 900144},
		{"no scope", "invalid_request", form("scope", ""), 400, 900144},
		{"single scope", "invalid_scope", form("scope", "https://graph.microsoft.com/User.Read.All"), 400, 1002012},
		{"another cloud's scope", "invalid_resource", form("scope", "https://graph.microsoft.us/.default"), 400, 500011},
		{"another grant", "unsupported_grant_type", form("grant_type", "password"), 400, 70003},
		{"twice", "invalid_request", url.Values{"client_id": {appID, appID}}, 400, 9002313},
	} {
		a := r.signIn(c.form)
		var oauth string
		_ = json.Unmarshal(a.body.Error, &oauth)
		if a.StatusCode != c.status || oauth != c.error || len(a.body.Codes) != 1 || a.body.Codes[0] != c.code {
			t.Errorf("%s: want %d %s AADSTS%d: %s %s", c.name, c.status, c.error, c.code, a.Status, a.text)
		}
	}
	f := form().Encode()
	for _, c := range []struct {
		name, method, where, kind, body string
		code                            int
	}{
		{"another tenant", "POST", strings.Replace(tokenURL, "contoso", "fabrikam", 1), "application/x-www-form-urlencoded", f, 90002},
		{"JSON", "POST", tokenURL, "application/json", f, 900144},
		{"a secret in the query", "POST", tokenURL + "?" + f, "application/x-www-form-urlencoded", "", 9002313},
		{"no form", "POST", tokenURL, "application/x-www-form-urlencoded", "%zz", 9002313},
		{"GET", "GET", tokenURL, "", "", 900561},
	} {
		if a := r.do(c.method, c.where, c.kind, c.body); len(a.body.Codes) != 1 || a.body.Codes[0] != c.code {
			t.Errorf("%s: want AADSTS%d: %s %s", c.name, c.code, a.Status, a.text)
		}
	}
	if a := r.do("POST", "https://"+Login+"/contoso.onmicrosoft.com/oauth2/token", "", f); a.StatusCode != 404 {
		t.Errorf("the page of version 1: %s", a.Status)
	}
	if a := r.do("POST", "https://login.example.com/x", "", f); a.StatusCode != 400 {
		t.Errorf("another host: %s", a.Status)
	}
	for code := range signInProblems {
		r.s.RefuseSignIn(code)
		if a := r.signIn(form()); len(a.body.Codes) != 1 || a.body.Codes[0] != code || a.StatusCode < 400 {
			t.Errorf("AADSTS%d: %s %s", code, a.Status, a.text)
		}
	}
	r.s.Heal()
	r.enter()
	if n := len(r.s.Refusals()); n != 13+5+2+len(signInProblems) {
		t.Errorf("%d refusals: %q", n, r.s.Refusals())
	}
}
