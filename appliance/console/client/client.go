// Package client speaks with sbcd over its unix socket, for consoles. It owns the connection, how long a request waits for sbcd, and which
// requests were never sent: those may be tried again. Package wire owns their form. It has no goroutines of its own.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/upload"
)

// Client speaks with sbcd. It may be used by many sessions at once.
type Client struct {
	http   *http.Client
	socket string
	wait   time.Duration

	began    time.Time
	answered atomic.Bool // sbcd has answered since then

	spoken atomic.Pointer[string] // version in its last answer; nil: there was none
}

// startTime is how long sbcd may take to answer for the first time: a slow machine starts its programs together.
const startTime = 30 * time.Second

// Starting reports whether sbcd may not be up yet.
func (c *Client) Starting() bool { return !c.answered.Load() && time.Since(c.began) < startTime }

// New makes a client of the unix socket. A request waits for up to wait until sbcd answers there, which carries a
// paste over a reload; only requests that were not yet sent wait, so nothing is run twice.
func New(socket string, wait time.Duration) *Client {
	c := &Client{socket: socket, wait: wait, began: time.Now()}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:         c.dial,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}}
	return c
}

// Down is the error of a request that was not sent, because sbcd does not answer on its socket.
type Down struct{ Err error }

func (d *Down) Error() string {
	if errors.Is(d.Err, syscall.ENOENT) || errors.Is(d.Err, syscall.ECONNREFUSED) {
		return "sbcd does not answer: it does not run"
	}
	return "sbcd does not answer: " + d.Err.Error()
}
func (d *Down) Unwrap() error { return d.Err }

// ErrBroken is the error of a request whose answer ended in the middle.
var ErrBroken = errors.New("sbcd ended before the line was done")

// Mismatch says that sbcd speaks another version of the protocol than we do, as its last answer told; "" when it does not. An sbcd that
// tells none is older than all that do.
func (c *Client) Mismatch() string {
	v := c.spoken.Load()
	if v == nil || *v == strconv.Itoa(wire.Version) {
		return ""
	}
	return fmt.Sprintf("sbcd speaks version %s of the console protocol, this console version %d: restart the box (reload)", cmp.Or(*v, "0"), wire.Version)
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	until := time.Now().Add(c.wait)
	for {
		conn, err := d.DialContext(ctx, "unix", c.socket)
		if err == nil {
			c.answered.Store(true)
			return conn, nil
		}
		if ctx.Err() != nil || !time.Now().Before(until) {
			return nil, &Down{err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// do sends a request; the caller closes the body.
func (c *Client) do(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(in); err != nil {
			return nil, fmt.Errorf("request %s: %w", path, err)
		}
		body = &b
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://sbcd"+path, body)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", path, err)
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := c.exchange(q)
	if err != nil {
		return nil, err
	}
	spoken := r.Header.Get(wire.VersionHeader)
	c.spoken.Store(&spoken)
	if err := refused(r); err != nil {
		r.Body.Close()
		return nil, err
	}
	return r.Body, nil
}

// exchange sends a request as it is; the caller closes the body of the answer. The error is *Down when nothing was sent, and ErrBroken when sbcd
// may have got it.
func (c *Client) exchange(q *http.Request) (*http.Response, error) {
	q.Header.Set(wire.VersionHeader, strconv.Itoa(wire.Version))
	r, err := c.http.Do(q)
	var down *Down
	switch {
	case err == nil:
		return r, nil
	case q.Context().Err() != nil:
		return nil, q.Context().Err()
	case errors.As(err, &down):
		return nil, down
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, err)
}

// refused is the error of an answer without success.
func refused(r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return nil
	}
	var f wire.Failure
	if json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&f) != nil || f.Error == "" {
		f.Error = r.Status
	}
	return &Refused{Status: r.StatusCode, Text: f.Error}
}

// Refused is the error of a request that sbcd answered without success.
type Refused struct {
	Status int    // of HTTP
	Text   string // a sentence
}

func (r *Refused) Error() string { return "sbcd refused the request: " + r.Text }

// Exec runs lines and calls each for every answer, in order. Its error is *Down when nothing was run; ErrBroken when the
// answer ended early, so that the line without an answer may or may not have been run.
func (c *Client) Exec(ctx context.Context, q wire.ExecRequest, each func(wire.Answer) error) error {
	body, err := c.do(ctx, http.MethodPost, wire.PathExec, q)
	if err != nil {
		return err
	}
	defer body.Close()
	return answers(ctx, body, max(1, len(q.Lines)), each)
}

// ExecWithFile runs a line that reads a file. The file is closed in the end, which must end a Read that waits.
func (c *Client) ExecWithFile(ctx context.Context, q wire.ExecRequest, file io.ReadCloser, each func(wire.Answer) error) error {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		file.Close()
		return err
	}
	values := url.Values{"line": {q.Line}, "mode": q.Mode, "user": {q.User}, "tty": {q.TTY}}
	return upload.Put(ctx, conn.(*net.UnixConn), wire.PathExec+"?"+values.Encode(), file, func(r *http.Response) error {
		if err := refused(r); err != nil {
			return err
		}
		return answers(ctx, r.Body, 1, each)
	})
}

// answers calls each for what comes, to its end, by which want lines must be done.
func answers(ctx context.Context, body io.Reader, want int, each func(wire.Answer) error) error {
	dec := json.NewDecoder(body)
	for {
		var a wire.Answer
		err := dec.Decode(&a)
		switch {
		case err == io.EOF && want == 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if a.Done {
			want--
			if a.Collect != nil || a.Exit {
				want = 0
			}
		}
		if err := each(a); err != nil {
			return err
		}
	}
}

// Help asks what can stand at the cursor.
func (c *Client) Help(ctx context.Context, q wire.HelpRequest) (wire.HelpReply, error) {
	var r wire.HelpReply
	return r, c.call(ctx, wire.PathHelp, q, &r)
}

// Login checks a password.
func (c *Client) Login(ctx context.Context, q wire.LoginRequest) (wire.LoginReply, error) {
	var r wire.LoginReply
	return r, c.call(ctx, wire.PathLogin, q, &r)
}

// Banned asks for how much longer a source is banned.
func (c *Client) Banned(ctx context.Context, from netip.Addr) time.Duration {
	r, err := c.Login(ctx, wire.LoginRequest{Remote: true, Source: from.String()})
	if err != nil {
		return 0 // no login works then anyway
	}
	return r.Banned
}

// Settings asks what the configuration says about consoles.
func (c *Client) Settings(ctx context.Context) (wire.Settings, error) {
	var s wire.Settings
	return s, c.Get(ctx, wire.PathSettings, nil, &s)
}

// Sign has sbcd sign for a handshake of the web page.
func (c *Client) Sign(ctx context.Context, q wire.SignRequest) (wire.SignReply, error) {
	var r wire.SignReply
	return r, c.call(ctx, wire.PathWebSign, q, &r)
}

// Get asks for what stands at a path.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("answer of %s: %w", path, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, path string, in, out any) error {
	body, err := c.do(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("answer of %s: %w", path, err)
	}
	return nil
}

// Events calls each for what sbcd reports to the session of user on tty, until the connection or the context ends. For that
// long the session counts as logged in.
func (c *Client) Events(ctx context.Context, user, tty string, since time.Time, each func(wire.Event)) error {
	q := url.Values{"tty": {tty}, "user": {user}, "since": {since.UTC().Format(time.RFC3339)}}
	body, err := c.do(ctx, http.MethodGet, wire.PathEvents+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer body.Close()
	dec := json.NewDecoder(body)
	for {
		var e wire.Event
		if err := dec.Decode(&e); err != nil {
			return err
		}
		each(e)
	}
}
