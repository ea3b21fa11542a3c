package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	tokenMax      = 16 << 10 // octets; a real one has 2,000
	tokenLife     = 24 * time.Hour
	renewBefore   = 5 * time.Minute // before the end of a token, or a fifth of its life before
	renewPause    = 30 * time.Second
	signInPause   = 10 * time.Second // after a refusal, doubled with each
	signInLongest = 5 * time.Minute
	forcedPause   = time.Minute      // between tokens that are dropped since Graph does not take them
	lackingPause  = 30 * time.Second // for which a token that lacks a permission is kept
	rolesMax      = 200
)

// token is what Graph knows us by. Its times follow the monotonic clock: a clock that is set does not end a token, nor keep it alive.
type token struct {
	text  string
	got   time.Time
	until time.Time // its end
	renew time.Time // from when on another is fetched
	roles []string  // permissions of the application, as granted when it signed in
	known bool      // roles could be read
}

// failure is a sign-in that was refused: it is not tried again before then.
type failure struct {
	err  *Error
	row  int
	next time.Time
}

// urgency is how badly a token is wanted.
type urgency uint8

const (
	routine urgency = iota // the one that we have will do; after a refusal, not before the pause is over
	afresh                 // somebody waits for the outcome: sign in now
)

// bearer returns a token, which is fetched when there is none, or the one at hand ends soon.
func (c *Client) bearer(ctx context.Context, u urgency) (token, error) {
	if t, err, done := c.atHand(u); done {
		return t, err
	}
	select {
	case c.signing <- struct{}{}:
		defer func() { <-c.signing }()
	case <-ctx.Done():
		return token{}, c.fail(opSignIn, ctx.Err())
	}
	if t, err, done := c.atHand(u); done { // another has signed in meanwhile
		return t, err
	}
	t, err := c.signIn(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err == nil {
		c.token, c.failed = t, failure{}
		return t, nil
	}
	if err.Kind == SignIn || err.Kind == Consent {
		pause := signInLongest
		if c.failed.row < 6 {
			pause = min(signInPause<<c.failed.row, signInLongest)
		}
		c.failed = failure{err: err, row: c.failed.row + 1, next: now.Add(pause)}
	}
	if u == routine && ctx.Err() == nil && c.token.text != "" && now.Before(c.token.until) {
		c.token.renew = now.Add(renewPause) // it still serves
		return c.token, nil
	}
	return token{}, err
}

// atHand is what is known without asking.
func (c *Client) atHand(u urgency) (t token, err error, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case now.Before(c.hold.until):
		return token{}, c.held(opSignIn, now), true
	case u == afresh:
		return token{}, nil, false
	case c.token.text != "" && now.Before(c.token.renew):
		return c.token, nil, true
	case c.failed.err != nil && now.Before(c.failed.next) && !now.Before(c.token.until):
		return token{}, c.failed.err, true
	}
	return token{}, nil, false
}

// drop forgets a token that Graph does not take, at most once a minute, so that a service which refuses every token is not asked for one with each
// request. One that only lacks a permission is forgotten when it is not quite new: what has been granted or taken back since stands in another. It
// reports whether to try again.
func (c *Client) drop(t token, lacking bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.token.text != t.text:
		return true // another has
	case lacking && now.Sub(t.got) < lackingPause, !lacking && !c.forced.IsZero() && now.Sub(c.forced) < forcedPause:
		return false
	case !lacking:
		c.forced = now
	}
	c.token = token{}
	return true
}

func (c *Client) tokenURL() string {
	return c.hosts.Login + "/" + url.PathEscape(c.c.Tenant) + "/oauth2/v2.0/token"
}

// signIn fetches a token (OAuth 2.0 client credentials).
func (c *Client) signIn(ctx context.Context) (token, *Error) {
	now := time.Now()
	if e := c.c.unfit(now); e != nil {
		e.Op = opSignIn
		return token{}, e
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.c.Application}, "scope": {c.hosts.Graph + "/.default"}}
	if c.c.Key == nil {
		form.Set("client_secret", c.c.Secret)
	} else {
		text, err := c.c.assertion(c.tokenURL(), now)
		if err != nil {
			return token{}, &Error{Op: opSignIn, Kind: SignIn, Text: err.Error(), Cure: c.c.fill(cureCredentials), err: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", text)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.tokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		return token{}, c.fail(opSignIn, err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "application/json")
	r, err := c.http.Do(q)
	if err != nil {
		return token{}, c.fail(opSignIn, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, smallAnswer))
	if err != nil {
		return token{}, c.fail(opSignIn, err)
	}
	c.answered(r)
	if r.StatusCode != http.StatusOK {
		return token{}, c.refusedSignIn(r, body, form.Get("client_secret"), form.Get("client_assertion"))
	}
	return c.readToken(body, time.Now())
}

// readToken understands what the sign-in service answers.
func (c *Client) readToken(body []byte, now time.Time) (token, *Error) {
	var a struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Token == "" || len(a.Token) > tokenMax || !(a.Seconds > 0) || strings.ContainsFunc(a.Token, notOfToken) {
		return token{}, rubbish(opSignIn, http.StatusOK, err)
	}
	life := tokenLife
	if a.Seconds < tokenLife.Seconds() {
		life = time.Duration(a.Seconds * float64(time.Second))
	}
	t := token{text: a.Token, got: now, until: now.Add(life), renew: now.Add(life - min(renewBefore, life/5))}
	t.roles, t.known = rolesOf(a.Token)
	return t, nil
}

// notOfToken tells characters that no token has (RFC 6750, section 2.1): in a header they would be more than a token.
func notOfToken(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("-._~+/=", r))
}

// rolesOf reads the permissions out of a token. It is not verified: Graph does that, we only want to say what is missing.
func rolesOf(text string) (roles []string, known bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return nil, false
	}
	roles = claims.Roles[:min(len(claims.Roles), rolesMax)]
	slices.Sort(roles)
	return slices.Compact(roles), true
}

// Roles signs in anew and returns the permissions of the application, in order. None: nobody has consented.
func (c *Client) Roles(ctx context.Context) ([]string, error) {
	t, err := c.bearer(ctx, afresh)
	if err != nil {
		return nil, err
	}
	if !t.known {
		return nil, &Error{Op: opSignIn, Kind: Broken, Text: "the token does not say which permissions it has", Cure: cureBroken}
	}
	return t.roles, nil
}

// Permissions of the application in Microsoft Graph.
const (
	readPresence  = "Presence.Read.All"
	writePresence = "Presence.ReadWrite.All"
	readUsers     = "User.Read.All"
)

// Missing are the permissions that have to be granted yet: to read users and their presence, and to write it.
func Missing(roles []string, write bool) (missing []string) {
	has := func(role string) bool { return slices.Contains(roles, role) }
	if !has(readUsers) && !has("User.ReadWrite.All") && !has("Directory.Read.All") && !has("Directory.ReadWrite.All") {
		missing = append(missing, readUsers)
	}
	switch {
	case has(writePresence):
	case write:
		missing = append(missing, writePresence)
	case !has(readPresence):
		missing = append(missing, readPresence)
	}
	return missing
}
