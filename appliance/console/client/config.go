package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/api/wire"
)

// Config reads a configuration as text, and the tag of the running one.
func (c *Client) Config(ctx context.Context, query url.Values) (text, tag string, err error) {
	r, err := c.send(ctx, http.MethodGet, wire.PathConfig, query, "", nil)
	if err != nil {
		return "", "", err
	}
	defer r.Body.Close()
	if err := refused(r); err != nil {
		return "", "", err
	}
	all, err := io.ReadAll(io.LimitReader(r.Body, 4*wire.MaxConfig))
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrBroken, err)
	}
	tag, _ = strconv.Unquote(r.Header.Get("ETag")) // only the running one has a tag
	return string(all), tag, nil
}

// PutConfig sends a text that is to be the running configuration. With tag, the one before must be that one. What sbcd says of the text is
// there with a *Refused as well, if it says something of it.
func (c *Client) PutConfig(ctx context.Context, query url.Values, tag, text string) (v wire.ConfigReply, err error) {
	if tag != "" && tag != "*" {
		tag = strconv.Quote(tag)
	}
	r, err := c.send(ctx, http.MethodPut, wire.PathConfig, query, tag, strings.NewReader(text))
	if err != nil {
		return v, err
	}
	defer r.Body.Close()
	err = json.NewDecoder(r.Body).Decode(&v)
	switch {
	case r.StatusCode != http.StatusOK:
		return v, &Refused{Status: r.StatusCode, Text: cmp.Or(v.Error, r.Status)}
	case err != nil:
		return v, fmt.Errorf("%w: answer of %s: %w", ErrBroken, wire.PathConfig, err)
	}
	return v, nil
}

// CompareConfigs asks for the difference of two configurations.
func (c *Client) CompareConfigs(ctx context.Context, q wire.CompareRequest) (wire.CompareReply, error) {
	var r wire.CompareReply
	return r, c.call(ctx, wire.PathConfigCompare, q, &r)
}

// ConfigHelp asks what can stand at the cursor in a text.
func (c *Client) ConfigHelp(ctx context.Context, q wire.ConfigHelpRequest) (wire.HelpReply, error) {
	var r wire.HelpReply
	return r, c.call(ctx, wire.PathConfigHelp, q, &r)
}

// send sends a request whose body is text; the caller closes that of the answer.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, match string, body io.Reader) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://sbcd"+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", path, err)
	}
	q.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if match != "" {
		q.Header.Set("If-Match", match)
	}
	return c.exchange(q)
}
