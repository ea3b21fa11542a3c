package entra

import (
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Application is an application registered in the tenant.
type Application struct {
	s            *Service
	id           string
	certificates []*x509.Certificate
	secrets      map[string]time.Time // with their ends
	asks         []string             // roles that an administrator is asked for
	granted      []string
	disabled     bool
}

// token is an access token that is not forgotten.
type token struct {
	application *Application
	roles       []string
	end         time.Time
}

// Register makes an application that asks for roles. It has no credentials, and nobody has consented.
func (s *Service) Register(id string, roles ...string) *Application {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &Application{s: s, id: id, secrets: map[string]time.Time{}, asks: roles}
	s.applications[strings.ToLower(id)] = a
	return a
}

// Upload adds a certificate with which assertions are verified.
func (a *Application) Upload(c *x509.Certificate) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.certificates = append(a.certificates, c)
}

// Forget removes all certificates.
func (a *Application) Forget() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.certificates = nil
}

// AddSecret adds a secret, or moves its end.
func (a *Application) AddSecret(value string, end time.Time) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.secrets[value] = end
}

// Grant is an administrator's consent to these roles and no others; none withdraws it. Tokens that are out keep their roles.
func (a *Application) Grant(roles ...string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.granted = roles
}

// Disable is what an administrator does with an application that may not sign in any more.
func (a *Application) Disable() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.disabled = true
}

// Consent follows a consent link as an administrator, who grants what the application asks for.
func (s *Service) Consent(link string) error {
	u, err := url.Parse(link)
	if err != nil {
		return fmt.Errorf("follow the consent link: %w", err)
	}
	tenant, path, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.applications[strings.ToLower(u.Query().Get("client_id"))]
	switch {
	case u.Scheme != "https" || u.Host != s.options.Login:
		return fmt.Errorf("follow the consent link: it does not lead to https://%s: %s", s.options.Login, link)
	case path != "adminconsent" && path != "v2.0/adminconsent":
		return fmt.Errorf("follow the consent link: no such page: %s", u.Path)
	case path == "v2.0/adminconsent" && u.Query().Get("scope") == "":
		return fmt.Errorf("follow the consent link: it names no scope: %s", link)
	case !s.isTenant(tenant):
		return fmt.Errorf("follow the consent link: no such tenant: %s", tenant)
	case a == nil:
		return fmt.Errorf("follow the consent link: no such application: %s", u.RawQuery)
	}
	a.granted = a.asks
	return nil
}

// Revoke makes all tokens that are out worthless.
func (s *Service) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// RefuseSignIn makes every sign-in fail with an AADSTS code until Heal.
func (s *Service) RefuseSignIn(code int) {
	if _, known := signInProblems[code]; !known {
		panic(fmt.Sprintf("no words for AADSTS%d", code))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signIn = code
}

func (s *Service) isTenant(name string) bool {
	return strings.EqualFold(name, s.options.Tenant) || slices.ContainsFunc(s.options.Domains, func(d string) bool { return strings.EqualFold(d, name) })
}

// login answers as the sign-in service.
func (s *Service) login(w http.ResponseWriter, r *http.Request) {
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if path != "oauth2/v2.0/token" {
		s.note("sign-in: no such page: %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
		return
	}
	s.count("token")
	value, life, no := s.grant(tenant, r)
	if no != nil {
		s.turnAway(w, no)
		return
	}
	reply(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(life / time.Second), "ext_expires_in": int(life / time.Second), "access_token": value})
}

// grant makes a token for who proves to be an application.
func (s *Service) grant(tenant string, r *http.Request) (string, time.Duration, *denial) {
	form, no := formOf(r)
	if no != nil {
		return "", 0, no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signIn != 0 {
		return "", 0, deny(s.signIn, "as the test wants it")
	}
	if !s.isTenant(tenant) {
		return "", 0, deny(90002, "tenant %q", tenant)
	}
	if g := form.Get("grant_type"); g != "client_credentials" {
		return "", 0, deny(70003, "grant_type %q", g)
	}
	id := form.Get("client_id")
	if id == "" {
		return "", 0, deny(900144, "no client_id")
	}
	a := s.applications[strings.ToLower(id)]
	if a == nil {
		return "", 0, deny(700016, "client_id %q", id)
	}
	scope := form.Get("scope")
	resource, isDefault := strings.CutSuffix(scope, "/.default")
	switch {
	case scope == "":
		return "", 0, deny(900144, "no scope")
	case !isDefault:
		return "", 0, deny(1002012, "scope %q", scope)
	case resource != "https://"+s.options.Graph:
		return "", 0, deny(500011, "resource %q", resource)
	}
	if no := s.prove(a, tenant, form); no != nil {
		return "", 0, no
	}
	if a.disabled {
		return "", 0, deny(7000112, "application %s", a.id)
	}
	now := time.Now()
	t := &token{application: a, roles: slices.Clone(a.granted), end: now.Add(s.options.TokenLife)}
	value := s.write(t, now)
	s.tokens[value] = t
	return value, s.options.TokenLife, nil
}

// prove checks the secret or the assertion.
func (s *Service) prove(a *Application, tenant string, form url.Values) *denial {
	secret, kind, assertion := form.Get("client_secret"), form.Get("client_assertion_type"), form.Get("client_assertion")
	switch {
	case secret == "" && assertion == "" && kind == "":
		return deny(7000218, "neither secret nor assertion")
	case secret != "" && (assertion != "" || kind != ""):
		return deny(9002313, "secret and assertion")
	case secret != "":
		for known, end := range a.secrets {
			if subtle.ConstantTimeCompare([]byte(known), []byte(secret)) == 1 {
				if !time.Now().Before(end) {
					return deny(7000222, "the secret ended at %v", end)
				}
				return nil
			}
		}
		return deny(7000215, "no such secret")
	case kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return deny(7000218, "client_assertion_type %q", kind)
	}
	return s.verify(a, tenant, assertion)
}

// write writes a token. Its signature is nothing that a client can check: it is ours to read, and Graph's to know.
func (s *Service) write(t *token, now time.Time) string {
	claims := map[string]any{"aud": "https://" + s.options.Graph, "iss": "https://sts.windows.net/" + s.options.Tenant + "/", "tid": s.options.Tenant, "appid": t.application.id,
		"app_displayname": "Presence", "idtyp": "app", "iat": now.Unix(), "nbf": now.Unix(), "exp": t.end.Unix(), "uti": newID(), "ver": "1.0"}
	if len(t.roles) > 0 { // without consent there is no such claim
		claims["roles"] = t.roles
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings and numbers
	}
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","kid":"lab"}`)) + "." + e.EncodeToString(body) + "." + e.EncodeToString([]byte(newID()+newID()))
}

// formOf reads a form in which nothing stands twice.
func formOf(r *http.Request) (url.Values, *denial) {
	if r.Method != http.MethodPost {
		return nil, deny(900561, "%s", r.Method)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, deny(900144, "content type %q", r.Header.Get("Content-Type"))
	}
	if r.URL.RawQuery != "" {
		return nil, deny(9002313, "query %q", r.URL.RawQuery)
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return nil, deny(9002313, "read the body: %v", err)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, deny(9002313, "read the form: %v", err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, deny(9002313, "%s stands there %d times", name, len(values))
		}
	}
	return form, nil
}
