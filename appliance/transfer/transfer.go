// Package transfer copies files to and from web servers, for `copy`.
//
// It owns how large they may be, how long it may take, and which redirects are followed. It does not own how servers are found and trusted: the client is
// given. It has no goroutines.
package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Limit and most bound a copy over HTTP.
const (
	Limit = time.Minute
	most  = 4 << 20 // octets
)

// StayPrivate refuses redirects from https to http: a configuration holds passwords, and anyone on the path could replace it.
func StayPrivate(q *http.Request, via []*http.Request) error {
	switch {
	case via[0].URL.Scheme == "https" && q.URL.Scheme != "https":
		return errors.New("the server redirects from https to http")
	case len(via) >= 10:
		return errors.New("the server redirects too often")
	}
	return nil
}

// Fetch gets a file over HTTP.
func Fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, errors.New(r.Status)
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("the file has more than %d bytes", most)
	}
	return text, err
}

// Send puts a file over HTTP.
func Send(ctx context.Context, client *http.Client, url string, text []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", http.DetectContentType(text))
	r, err := client.Do(q)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode/100 != 2 {
		return errors.New(r.Status)
	}
	return nil
}
