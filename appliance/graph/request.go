package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const smallAnswer = 64 << 10 // octets of a token, an error, or an answer that nobody reads

// request asks Graph. read understands the body of success; nil: there is nothing to read. A token that Graph does not
// take, or that lacks a permission, is replaced, once.
func (c *Client) request(ctx context.Context, op, method, link string, body any, read func(*meter) error) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return &Error{Op: op, Kind: Refused, Text: err.Error(), Cure: cureReport, err: err}
		}
	}
	for again := true; ; again = false {
		t, err := c.bearer(ctx, routine)
		if err != nil {
			return err
		}
		e := c.once(ctx, op, method, link, text, t, read)
		if e == nil {
			return nil
		}
		if refused := e.Status == http.StatusUnauthorized; again && (refused || e.Kind == Consent) && c.drop(t, !refused) {
			continue
		}
		return e
	}
}

// once makes one request.
func (c *Client) once(ctx context.Context, op, method, link string, text []byte, t token, read func(*meter) error) *Error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, link, bytes.NewReader(text))
	if err != nil {
		return c.fail(op, err)
	}
	q.Header.Set("Authorization", "Bearer "+t.text)
	q.Header.Set("Accept", "application/json")
	if text != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	r, err := c.http.Do(q)
	if err != nil {
		return c.fail(op, err)
	}
	defer r.Body.Close()
	c.answered(r)
	if r.StatusCode < 200 || r.StatusCode > 299 {
		body, err := io.ReadAll(io.LimitReader(r.Body, smallAnswer))
		if err != nil {
			return c.fail(op, err)
		}
		return c.refused(op, r, body, t)
	}
	if read == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, smallAnswer)) // so that the connection can be used again; what it says is of no interest
		return nil
	}
	m := newMeter(r.Body)
	err = read(m)
	switch {
	case m.err != nil:
		return c.fail(op, m.err)
	case err != nil:
		return rubbish(op, http.StatusOK, err)
	}
	return nil
}

// answered notes what the header of an answer says of limits.
func (c *Client) answered(r *http.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch limited := r.StatusCode == http.StatusTooManyRequests; {
	case limited, r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "":
		c.hold.refused(r.Header, time.Now())
	case r.StatusCode < 500:
		c.hold.row = 0
	}
}
