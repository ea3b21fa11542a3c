package graph

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// withCertificate are credentials with a key and a certificate of the box's own.
func withCertificate(t *testing.T) Credentials {
	t.Helper()
	key, err := pki.NewKey(2048)
	must(t, err)
	certificate, err := pki.SelfSigned([]string{"sbc.example.com"}, key, time.Now())
	must(t, err)
	c := testCredentials()
	c.Secret, c.Key, c.Certificate = "", key, certificate
	return c
}

func TestAnAssertionProvesTheKey(t *testing.T) {
	o := newOffice(sayPresences("Available", "Available"))
	credentials := withCertificate(t)
	seen := map[string]bool{}
	for range 3 {
		must(t, read(t, New(direct{o}, credentials)))
		form := o.signIns[len(o.signIns)-1].PostForm
		for key, want := range map[string]string{
			"grant_type": "client_credentials", "client_id": testApp, "scope": "https://graph.microsoft.com/.default", "client_secret": "",
			"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		} {
			if got := form.Get(key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		parts := strings.Split(form.Get("client_assertion"), ".")
		if len(parts) != 3 {
			t.Fatalf("assertion has %d parts", len(parts))
		}
		var decoded [3][]byte
		for i, p := range parts {
			var err error
			decoded[i], err = base64.RawURLEncoding.DecodeString(p)
			must(t, err)
		}
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		options := &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}
		if err := rsa.VerifyPSS(credentials.Certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], decoded[2], options); err != nil {
			t.Errorf("signature: %v", err)
		}
		var header map[string]string
		must(t, json.Unmarshal(decoded[0], &header))
		thumbprint := sha256.Sum256(credentials.Certificate.Raw)
		if header["alg"] != "PS256" || header["typ"] != "JWT" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(thumbprint[:]) || len(header) != 3 {
			t.Errorf("header %v", header)
		}
		var claims struct {
			Aud, Iss, Sub, Jti string
			Nbf, Iat, Exp      int64
		}
		must(t, json.Unmarshal(decoded[1], &claims))
		if claims.Aud != "https://login.microsoftonline.com"+tokenPath || claims.Iss != testApp || claims.Sub != testApp {
			t.Errorf("claims %+v", claims)
		}
		if now := time.Now().Unix(); claims.Nbf > now || claims.Iat > now || claims.Exp <= now || claims.Exp-claims.Nbf > 600 {
			t.Errorf("times %+v at %d", claims, now)
		}
		if seen[claims.Jti] || len(claims.Jti) < 20 {
			t.Errorf("jti %q is not new", claims.Jti)
		}
		seen[claims.Jti] = true
	}
}

func TestASecretIsSentAsItIs(t *testing.T) {
	o := newOffice(sayPresences("Available", "Available"))
	must(t, read(t, o.client()))
	form := o.signIns[0].PostForm
	if form.Get("client_secret") != testSecret || form.Has("client_assertion") || form.Has("client_assertion_type") {
		t.Errorf("form %v", form)
	}
}

func TestEachCloudHasItsHosts(t *testing.T) {
	hosts := map[config.PresenceCloud][2]string{
		config.CloudGlobal:  {"login.microsoftonline.com", "graph.microsoft.com"},
		config.CloudGCC:     {"login.microsoftonline.com", "graph.microsoft.com"},
		config.CloudChina:   {"login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"},
		config.CloudGCCHigh: {"login.microsoftonline.us", "graph.microsoft.us"},
		config.CloudDoD:     {"login.microsoftonline.us", "dod-graph.microsoft.us"},
	}
	for _, cloud := range config.PresenceClouds {
		want := hosts[cloud]
		var hosts []string
		o := newOffice(sayPresences("Available", "Available"))
		credentials := testCredentials()
		credentials.Cloud = cloud
		c := New(roundTrip(func(q *http.Request) (*http.Response, error) {
			if q.URL.Scheme != "https" {
				t.Errorf("%s goes over %s", q.URL.Host, q.URL.Scheme)
			}
			hosts = append(hosts, q.URL.Host)
			return direct{o}.RoundTrip(q)
		}), credentials)
		must(t, read(t, c))
		if !slices.Equal(hosts, want[:]) {
			t.Errorf("%s: asked %q, want %q", cloud, hosts, want)
		}
		if got, want := o.signIns[0].PostForm.Get("scope"), "https://"+want[1]+"/.default"; got != want {
			t.Errorf("%s: scope %q, want %q", cloud, got, want)
		}
		if got, want := c.ConsentLink(), "https://"+want[0]+"/"+testTenant+"/adminconsent?client_id="+testApp; got != want {
			t.Errorf("%s: consent at %q, want %q", cloud, got, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func TestATokenIsRenewedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(sayPresences("Available", "Available"))
		c := o.client()
		for range 54 * 6 { // a poll each 10 s
			must(t, read(t, c))
			time.Sleep(10 * time.Second)
		}
		if n := o.signedIn(); n != 1 {
			t.Fatalf("signed in %d times in 54 minutes, want once", n)
		}
		time.Sleep(time.Minute)
		must(t, read(t, c))
		if n := o.signedIn(); n != 2 {
			t.Fatalf("signed in %d times in 55 minutes, want twice: the token ends after 60", n)
		}
		if got := o.tokens[len(o.tokens)-1]; got != testToken(2, o.roles) {
			t.Errorf("the old token is used")
		}
	})
}

func TestATokenServesUntilItsEndWhenNoOtherIsHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(sayPresences("Available", "Available"))
		c := o.client()
		must(t, read(t, c))
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
			saySignIn(w, http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys are expired.")
			return true
		}
		time.Sleep(56 * time.Minute)
		for range 20 {
			must(t, read(t, c))
			time.Sleep(10 * time.Second)
		}
		if n := o.signedIn(); n < 2 || n > 10 {
			t.Errorf("tried %d times to sign in", n)
		}
		time.Sleep(time.Minute)
		e := wantError(t, read(t, c), SignIn)
		if e.Code != "AADSTS7000222" {
			t.Errorf("code %q", e.Code)
		}
	})
}

func TestARefusedSignInIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(sayPresences("Available", "Available"))
		wrong := true
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
			if wrong {
				saySignIn(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
			}
			return wrong
		}
		c := o.client()
		for range 360 { // polls of an hour
			wantError(t, read(t, c), SignIn)
			time.Sleep(10 * time.Second)
		}
		if n := o.signedIn(); n < 10 || n > 20 {
			t.Errorf("signed in %d times in an hour", n)
		}
		wrong = false
		if _, err := c.Roles(t.Context()); err != nil { // presence test does not wait
			t.Error(err)
		}
		must(t, read(t, c))
	})
}

func TestOneSignInServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(sayPresences("Available", "Available"))
		o.signIn = func(_ http.ResponseWriter, q *http.Request) bool { linger(q.Context(), time.Second); return false }
		c := o.client()
		var g sync.WaitGroup
		for range 20 {
			g.Go(func() {
				if err := c.Clear(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
		if n := o.signedIn(); n != 1 {
			t.Errorf("signed in %d times, want once", n)
		}
	})
}

// A time without its monotonic part would follow a clock that is set: a token would end at once, or never.
func TestAClockThatIsSetChangesNothing(t *testing.T) {
	o := newOffice(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		sayError(w, http.StatusTooManyRequests, "TooManyRequests", "")
	})
	c := o.client()
	wantError(t, read(t, c), Throttled)
	for name, at := range map[string]time.Time{"end": c.token.until, "renewal": c.token.renew, "hold": c.hold.until} {
		if at.Round(0) == at {
			t.Errorf("%s %v follows the clock on the wall", name, at)
		}
	}
}

func TestATokenThatGraphRefusesIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := true
		o := newOffice(nil)
		o.graph = func(w http.ResponseWriter, q *http.Request) {
			if old || q.Header.Get("Authorization") == "Bearer "+testToken(1, o.roles) {
				sayError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
				return
			}
			sayPresences("Available", "Available")(w, q)
		}
		c := o.client()
		old = false
		must(t, read(t, c))
		if n, r := o.signedIn(), o.requests(); n != 2 || r != 2 {
			t.Fatalf("%d tokens, %d requests, want 2 and 2", n, r)
		}
		old = true
		for range 6 { // a minute
			e := wantError(t, read(t, c), SignIn)
			if e.Status != http.StatusUnauthorized {
				t.Errorf("status %d", e.Status)
			}
			time.Sleep(10 * time.Second)
		}
		if n := o.signedIn(); n > 3 {
			t.Errorf("%d tokens in a minute in which each is refused", n)
		}
		old = false
		time.Sleep(time.Minute)
		must(t, read(t, c))
	})
}

func TestConsentThatIsGivenIsSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(nil)
		o.roles = []string{readUsers}
		o.graph = func(w http.ResponseWriter, q *http.Request) {
			if q.Header.Get("Authorization") == "Bearer "+testToken(len(o.signIns), []string{readUsers}) {
				sayError(w, http.StatusForbidden, "Forbidden", "Insufficient privileges")
				return
			}
			sayPresences("Available", "Available")(w, q)
		}
		c := o.client()
		e := wantError(t, read(t, c), Consent)
		if e.Text != "the application lacks Presence.Read.All" || !strings.Contains(e.Cure, "/adminconsent?client_id="+testApp) || !strings.Contains(e.Cure, "as application permission and not as delegated") {
			t.Errorf("%q, cure %q", e.Text, e.Cure)
		}
		if e := wantError(t, c.SetBusy(t.Context(), "a", time.Minute), Consent); e.Text != "the application lacks Presence.ReadWrite.All" {
			t.Errorf("%q", e.Text)
		}
		if n := o.signedIn(); n != 1 {
			t.Errorf("%d tokens at once, as if each were another", n)
		}
		o.roles = []string{readUsers, writePresence}
		time.Sleep(lackingPause)
		must(t, read(t, c))
	})
}

func TestRolesAreThoseOfANewToken(t *testing.T) {
	o := newOffice(sayPresences("Available", "Available"))
	o.roles = []string{"User.Read.All", "Presence.Read.All", "User.Read.All"}
	c := o.client()
	must(t, read(t, c))
	roles, err := c.Roles(t.Context())
	must(t, err)
	if want := []string{"Presence.Read.All", "User.Read.All"}; !slices.Equal(roles, want) {
		t.Errorf("roles %q, want %q", roles, want)
	}
	if o.signedIn() != 2 {
		t.Error("the token at hand was asked, whose permissions are of the past")
	}
	o.roles = nil
	if roles, err := c.Roles(t.Context()); err != nil || len(roles) != 0 {
		t.Errorf("without consent: %q, %v", roles, err)
	}
	o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
		say(w, http.StatusOK, map[string]any{"access_token": "opaque", "expires_in": 3600})
		return true
	}
	if _, err := c.Roles(t.Context()); wantError(t, err, Broken).Text == "" {
		t.Error("no text")
	}
	must(t, read(t, c)) // Graph may understand it all the same
}

func TestMissingPermissions(t *testing.T) {
	for _, c := range []struct {
		roles   string
		write   bool
		missing string
	}{
		{"", false, "User.Read.All Presence.Read.All"},
		{"", true, "User.Read.All Presence.ReadWrite.All"},
		{"User.Read.All Presence.Read.All", false, ""},
		{"User.Read.All Presence.Read.All", true, "Presence.ReadWrite.All"},
		{"Directory.Read.All Presence.ReadWrite.All", false, ""},
		{"User.ReadBasic.All Presence.ReadWrite.All", true, "User.Read.All"}, // it does not show numbers
	} {
		if got := strings.Join(Missing(strings.Fields(c.roles), c.write), " "); got != c.missing {
			t.Errorf("%q, write %t: missing %q, want %q", c.roles, c.write, got, c.missing)
		}
	}
}

func TestCredentialsThatCannotWorkAskNobody(t *testing.T) {
	good := withCertificate(t)
	other := withCertificate(t)
	old := good
	certificate, err := pki.SelfSigned([]string{"sbc.example.com"}, good.Key, time.Now().AddDate(-20, 0, 0))
	must(t, err)
	old.Certificate = certificate
	for want, c := range map[string]Credentials{
		"neither a certificate nor a secret": {Tenant: testTenant, Application: testApp},
		"certificate is missing":             {Tenant: testTenant, Application: testApp, Key: good.Key},
		"do not belong together":             {Tenant: testTenant, Application: testApp, Key: good.Key, Certificate: other.Certificate},
		"has expired on":                     old,
	} {
		err := read(t, New(roundTrip(func(q *http.Request) (*http.Response, error) {
			t.Errorf("%s: asked %s", want, q.URL)
			return nil, http.ErrNotSupported
		}), c))
		if e := wantError(t, err, SignIn); !strings.Contains(e.Error(), want) {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

func TestTokensThatAreNone(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", "<html>", `{"access_token":"a"}`, `{"access_token":"","expires_in":3600}`, `{"access_token":"a","expires_in":0}`,
		`{"access_token":"a","expires_in":-5}`, `{"access_token":"a\r\nX: y","expires_in":3600}`, `{"access_token":7,"expires_in":3600}`,
		`{"access_token":"` + strings.Repeat("a", tokenMax+1) + `","expires_in":3600}`,
	} {
		o := newOffice(sayPresences("Available", "Available"))
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(body)); return true }
		wantError(t, read(t, o.client()), Broken)
		if o.requests() != 0 {
			t.Errorf("%.40q is taken for a token", body)
		}
	}
}
