package records

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/flash"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// batch is what one request carries.
type batch struct {
	entries []flash.Entry // those that are records
	ids     []string
	records []json.RawMessage
	octets  int // of all lines, damaged ones too
}

// newBatch makes a batch of lines of the files. Lines that are no records are left out: a power cut has torn them.
func newBatch(s *settings, entries []flash.Entry) (b batch) {
	for _, e := range entries {
		b.octets += len(e.Line)
		r, err := status.ReadRecord(e.Line)
		if err != nil || r.ID == "" {
			continue
		}
		text := json.RawMessage(e.Line)
		if s.Post.Masked {
			if text, err = json.Marshal(cdr.Mask(r)); err != nil {
				continue
			}
		}
		b.entries, b.ids, b.records = append(b.entries, e), append(b.ids, cdr.Key(r)), append(b.records, text)
	}
	return b
}

// id is the same for the same records.
func (b batch) id() string {
	sum := sha256.Sum256([]byte(strings.Join(b.ids, " ")))
	return hex.EncodeToString(sum[:16])
}

// body is the batch as it is sent; docs/operation.md describes it.
func (b batch) body(box string) ([]byte, error) {
	type item struct {
		ID     string          `json:"id"`
		Record json.RawMessage `json:"record"`
	}
	body := struct {
		Batch   string `json:"batch"`
		Box     string `json:"box"`
		Records []item `json:"records"`
	}{Batch: b.id(), Box: box}
	for n, id := range b.ids {
		body.Records = append(body.Records, item{id, b.records[n]})
	}
	return json.Marshal(body)
}

// result is what became of a request.
type result struct {
	taken   bool
	refused bool          // the server does not want what is in it
	broken  bool          // it failed at it
	why     string        // it was not taken
	after   time.Duration // how long the server wants to be left alone
}

// send sends a batch once. Only an answer 2xx says that the server has it; a redirect is not followed, because it would turn the POST into
// a GET.
func (p *poster) send(ctx context.Context, s *settings, b batch) result {
	body, err := b.body(s.box)
	if err != nil {
		return result{why: err.Error()}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Post.URL, bytes.NewReader(body))
	if err != nil {
		return result{why: plain(err)}
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Idempotency-Key", b.id())
	if s.Post.Token != "" {
		q.Header.Set("Authorization", "Bearer "+string(s.Post.Token))
	}
	client := *p.o.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(q)
	if err != nil {
		return result{why: plain(err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return result{taken: true}
	}
	io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // a server that is still writing when the connection closes would see a failure
	r := result{why: fmt.Sprintf("the server answers %s", printable.Text(answer.Status))}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		r.refused = true
	case http.StatusInternalServerError:
		r.broken = true
	case http.StatusUnauthorized, http.StatusForbidden:
		r.why += ": it does not accept the token"
	}
	if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
		r.after = min(time.Duration(n), longest/time.Second) * time.Second
	}
	return r
}

// plain is the text of an error without the URL, which may hold a key.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return printable.Text(err.Error())
}

// shown is a URL without what may be a key in it.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
