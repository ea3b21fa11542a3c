package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"viaduct/appliance/api/wire"
)

// Token asks for whom a machine acts.
func (c *Client) Token(ctx context.Context, q wire.TokenRequest) (wire.TokenReply, error) {
	var r wire.TokenReply
	return r, c.call(ctx, wire.PathWebToken, q, &r)
}

// Pass sends a request of somebody else on, and returns the answer as it is; the caller closes its body. Of the URL, path and query count. The
// error is *Down when nothing was sent.
func (c *Client) Pass(ctx context.Context, method string, to url.URL, header http.Header, body io.Reader) (*http.Response, error) {
	to.Scheme, to.Host, to.User = "http", "sbcd", nil
	q, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", to.Path, err)
	}
	q.Header = header
	return c.exchange(q)
}
