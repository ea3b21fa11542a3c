// Package starface sets do not disturb at a STARFACE, through its REST interface (6.7 and later), for users who do not want to be disturbed in
// Teams, and takes back what it has set.
//
// A Client owns the session at the STARFACE: login, its renewal, what is read, what is changed. A Keeper owns what ought to be and what is ours: it
// is told the wishes of a presence-service and follows them as the STARFACE allows. A Book owns the memory of what is ours, over a restart. Who is how
// in Teams, the configuration and the files are others'.
//
// Client and Book start no goroutine. Keeper.Run is one that its owner starts; it has a few more for requests while a round lasts, and waits for
// them. Nobody who tells a Keeper anything waits for a STARFACE.
package starface

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	requestTime = 10 * time.Second // for a request with its answer
	smallMost   = 64 << 10         // octets of an answer that is not a list
	listMost    = 16 << 20         // of the list of users
	usersMost   = 20_000
	fieldMost   = 320  // octets of an address or a login id that we keep: none is longer (RFC 5321, 4.5.3.1)
	tokenMost   = 4096 // octets
)

// Credentials say who logs in, and where.
type Credentials struct {
	URL      string // https://HOST[:PORT]
	User     string // login id of an account that may administer users
	Password string
}

// Client talks to one STARFACE. Its methods may be called at the same time.
type Client struct {
	transport http.RoundTripper
	access    Credentials
	session   chan string // holds the token, "": none; who has taken it out is the one who logs in
}

// New returns a client that has not logged in yet. Requests go through t alone: no cookie is kept, and no redirect is followed.
func New(t http.RoundTripper, c Credentials) *Client {
	c.URL = strings.TrimRight(c.URL, "/")
	session := make(chan string, 1)
	session <- ""
	return &Client{transport: t, access: c, session: session}
}

// User is a user of a STARFACE.
type User struct {
	ID    int64
	Login string
	Mail  string // "": none
}

// Users reads all users that the account may see.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	const op = opUsers
	body, err := c.ask(ctx, op, http.MethodGet, "/users", nil, listMost)
	if err != nil {
		return nil, err
	}
	users, err := readUsers(body)
	if err != nil {
		return nil, notUnderstood(op, err)
	}
	return users, nil
}

// readUsers reads a list of users. What is not understood makes the whole list unusable: a user who is missing in it could hide that another is
// not the only one with his address.
func readUsers(body []byte) ([]User, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("no list")
	}
	var users []User
	for d.More() {
		var u struct {
			ID    *int64 `json:"id"`
			Login string `json:"login"`
			Mail  string `json:"email"`
		}
		if err := d.Decode(&u); err != nil {
			return nil, errors.New("a user of another form")
		}
		if u.ID == nil || *u.ID < 0 {
			return nil, errors.New("a user without an id")
		}
		if len(u.Login) > fieldMost || len(u.Mail) > fieldMost {
			return nil, errors.New("a user with a name that is too long")
		}
		if len(users) == usersMost {
			return nil, errors.New("more than " + strconv.Itoa(usersMost) + " users")
		}
		users = append(users, User{ID: *u.ID, Login: strings.Clone(u.Login), Mail: strings.Clone(u.Mail)})
	}
	if t, err := d.Token(); err != nil || t != json.Delim(']') {
		return nil, errors.New("a list that does not end")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text behind the list")
	}
	return users, nil
}

// PhoneConfig reads how a user's phones behave.
func (c *Client) PhoneConfig(ctx context.Context, id int64) (PhoneConfig, error) {
	const op = opRead
	body, err := c.ask(ctx, op, http.MethodGet, phoneConfigPath(id), nil, smallMost)
	if err != nil {
		return PhoneConfig{}, err
	}
	p, err := readPhoneConfig(body)
	if err != nil {
		return PhoneConfig{}, notUnderstood(op, err)
	}
	return p, nil
}

// SetDoNotDisturb writes back what PhoneConfig has read a moment ago, with another doNotDisturb and nothing else changed.
func (c *Client) SetDoNotDisturb(ctx context.Context, id int64, p PhoneConfig, on bool) error {
	const op = opChange
	body, err := c.ask(ctx, op, http.MethodPut, phoneConfigPath(id), p.with(on), smallMost)
	if err != nil || body == nil {
		return err
	}
	// The description of the interface calls 200 an unexpected error: 204 alone is success. What holds then is asked.
	now, err := c.PhoneConfig(ctx, id)
	if err == nil && now.DoNotDisturb != on {
		err = &Error{Op: op, Status: http.StatusOK, Text: "it was not changed", Cure: cureLog}
	}
	return err
}

func phoneConfigPath(id int64) string {
	return "/users/" + strconv.FormatInt(id, 10) + "/phoneconfig"
}

// Close logs out, if there is a session.
func (c *Client) Close(ctx context.Context) error {
	token, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer func() { c.session <- "" }()
	if token == "" {
		return nil
	}
	a, err := c.send(ctx, opLogout, http.MethodDelete, "/login", token, nil, smallMost)
	if err == nil && a.status != http.StatusUnauthorized { // a session that has ended by itself is no failure
		err = a.failure(opLogout, token)
	}
	return err
}

// take takes the token out of the session; the caller puts one back.
func (c *Client) take(ctx context.Context) (string, error) {
	select {
	case token := <-c.session:
		return token, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// token is that of the session, other than the one which was refused. Who needs it while another logs in waits for the outcome.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	token, err := c.take(ctx)
	if err != nil {
		return "", err
	}
	if token == "" || token == refused {
		token, err = c.login(ctx)
	}
	c.session <- token
	return token, err
}

// login makes a session: a nonce is fetched and answered with a digest of the password.
func (c *Client) login(ctx context.Context) (string, error) {
	const op = opLogin
	var offer struct {
		Type  string `json:"loginType"`
		Nonce string `json:"nonce"`
	}
	if err := c.talk(ctx, op, http.MethodGet, nil, &offer); err != nil {
		return "", err
	}
	if offer.Nonce == "" {
		return "", notUnderstood(op, errors.New("no nonce"))
	}
	// The other type, ACTIVE_DIRECTORY, wants the password itself.
	if !strings.EqualFold(offer.Type, "Internal") {
		return "", &Error{Op: op, Text: "it wants another kind of login, for which the password would have to be sent as it is", Cure: cureType}
	}
	body, err := json.Marshal(map[string]string{"loginType": offer.Type, "nonce": offer.Nonce, "secret": secret(c.access.User, c.access.Password, offer.Nonce)})
	if err != nil {
		return "", notUnderstood(op, err)
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := c.talk(ctx, op, http.MethodPost, body, &answer); err != nil {
		return "", err
	}
	if !fit(answer.Token) {
		return "", notUnderstood(op, errors.New("no token that can be used"))
	}
	return answer.Token, nil
}

// talk is one exchange of the login.
func (c *Client) talk(ctx context.Context, op, method string, body []byte, to any) error {
	a, err := c.send(ctx, op, method, "/login", "", body, smallMost)
	if err != nil {
		return err
	}
	if e := a.failure(op, ""); e != nil {
		return e
	}
	if json.Unmarshal(a.body, to) != nil {
		return notUnderstood(op, errors.New("another form")) // the decoder's error could quote what was sent
	}
	return nil
}

// secret answers a nonce: LOGIN:SHA512(LOGIN NONCE SHA512(PASSWORD)), digests in hexadecimal.
func secret(user, password, nonce string) string {
	inner := sha512.Sum512([]byte(password))
	outer := sha512.Sum512([]byte(user + nonce + hex.EncodeToString(inner[:])))
	return user + ":" + hex.EncodeToString(outer[:])
}

// fit tells a token that can stand in a header.
func fit(token string) bool {
	return token != "" && len(token) <= tokenMost && strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// ask sends a request in the session. A session that has ended is renewed once. The body is nil when the answer is 204.
func (c *Client) ask(ctx context.Context, op, method, path string, body []byte, most int64) ([]byte, error) {
	refused := ""
	for {
		token, err := c.token(ctx, refused)
		if err != nil {
			return nil, err
		}
		a, err := c.send(ctx, op, method, path, token, body, most)
		if err != nil {
			return nil, err
		}
		if a.status == http.StatusUnauthorized && refused == "" {
			refused = token
			continue
		}
		if e := a.failure(op, token); e != nil {
			return nil, e
		}
		if a.status == http.StatusNoContent {
			return nil, nil
		}
		return a.body, nil
	}
}

// answer is what came back, with no more of it than was asked for.
type answer struct {
	status int
	body   []byte // not nil
}

// send makes one request and reads its answer. The error is of type *Error.
func (c *Client) send(ctx context.Context, op, method, path, token string, body []byte, most int64) (answer, error) {
	u, err := url.Parse(c.access.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return answer{}, &Error{Op: op, Text: "its URL cannot be used", Cure: cureURL} // the text of the error could hold a password
	}
	limited, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	connected := false
	limited = httptrace.WithClientTrace(limited, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	q, err := http.NewRequestWithContext(limited, method, "https://"+u.Host+u.Path+"/rest"+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, &Error{Op: op, Text: "its URL cannot be used", Cure: cureURL}
	}
	q.Header.Set("X-Version", "2")
	q.Header.Set("Accept", "application/json")
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		q.Header.Set("authToken", token)
	}
	r, err := c.transport.RoundTrip(q)
	if err != nil {
		return answer{}, unreachable(ctx, op, err, connected)
	}
	defer r.Body.Close()
	a := answer{status: r.StatusCode}
	if a.body, err = io.ReadAll(io.LimitReader(r.Body, most+1)); err != nil {
		return answer{}, unreachable(ctx, op, err, true)
	}
	if int64(len(a.body)) > most {
		return answer{}, notUnderstood(op, errors.New("an answer that is too long"))
	}
	return a, nil
}
