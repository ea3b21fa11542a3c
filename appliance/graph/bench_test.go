package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// pollOf answers with the presences of n users, as long as real ones with a status message.
func pollOf(n int) (ids []string, c *Client) {
	ids = numberedIDs(n)
	var bodies [][]byte
	for rest := ids; len(rest) > 0; rest = rest[min(len(rest), idsMax):] {
		var list []any
		for i, id := range rest[:min(len(rest), idsMax)] {
			availability, activity, _ := strings.Cut([]string{"Available Available", "Busy InACall", "Away Away", "DoNotDisturb Presenting"}[i%4], " ")
			p := one(id, availability, activity)
			p["statusMessage"] = map[string]any{"publishedDateTime": "2026-11-30T05:00:00Z", "message": map[string]string{"content": "<p>Back at noon</p>", "contentType": "html"}}
			list = append(list, p)
		}
		text, err := json.Marshal(map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(presence)", "value": list})
		if err != nil {
			panic(err)
		}
		bodies = append(bodies, text)
	}
	asked := 0
	c = New(roundTrip(func(q *http.Request) (*http.Response, error) {
		if q.URL.Path == tokenPath {
			text, err := json.Marshal(map[string]any{"access_token": testToken(1, nil), "expires_in": 3600})
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text)), Request: q}, err
		}
		body := bodies[asked%len(bodies)]
		asked++
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: q}, nil
	}), testCredentials())
	return ids, c
}

// One poll of 1,300 users must not take more than 100 ms and 8 MiB.
func BenchmarkPoll1300(b *testing.B) {
	ids, c := pollOf(1300)
	var list []Presence
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if list, err = c.Presences(b.Context(), ids, list[:0]); err != nil || len(list) != len(ids) {
			b.Fatal(len(list), err)
		}
	}
}

// What a poll leaves to the collector does not grow with what users write, and hardly with their number.
func TestAPollAllocatesLittle(t *testing.T) {
	ids, c := pollOf(1300)
	list, err := c.Presences(t.Context(), ids, nil)
	must(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list, err = c.Presences(t.Context(), ids, list[:0])
	runtime.ReadMemStats(&after)
	must(t, err)
	if n := len(list); n != len(ids) {
		t.Fatalf("%d of %d", n, len(ids))
	}
	if size := after.TotalAlloc - before.TotalAlloc; size > 2<<20 {
		t.Errorf("a poll of %d users allocates %d octets", len(ids), size)
	}
	if n := after.Mallocs - before.Mallocs; n > 5*uint64(len(ids)) {
		t.Errorf("a poll of %d users allocates %d times", len(ids), n)
	}
}
