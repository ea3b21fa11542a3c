package web

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"viaduct/appliance/web/live"
	"viaduct/appliance/web/page"
)

const (
	maxTopics   = 16
	maxTopicLen = 512
	eventTime   = 10 * time.Second // for a browser to take one event
	beatEvery   = 30 * time.Second // a comment, by which both sides see that the other is there
	maxLive     = 128              // streams in all
)

// live sends fragments as they change (server-sent events).
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	v := page.Came(r)
	var keys []live.Key
	for _, name := range r.URL.Query()["t"] {
		topic, query, _ := strings.Cut(name, "?")
		if len(keys) == maxTopics || len(name) > maxTopicLen || !s.site.Sees(v, topic) {
			s.site.Say(w, r, v, http.StatusBadRequest, "frame.malformed")
			return
		}
		keys = append(keys, live.Key{Topic: topic, Query: query, Class: string(v.Class), Lang: v.Lang})
	}
	if len(keys) == 0 || s.streams.Add(1) > maxLive {
		if len(keys) > 0 {
			s.streams.Add(-1)
		}
		s.site.Say(w, r, v, http.StatusServiceUnavailable, "frame.busy")
		return
	}
	defer s.streams.Add(-1)
	out := http.NewResponseController(w)
	send := func(text []byte) bool {
		out.SetWriteDeadline(time.Now().Add(eventTime))
		if _, err := w.Write(text); err != nil || out.Flush() != nil {
			return false
		}
		out.SetWriteDeadline(time.Time{}) // HTTP/2 ends a stream at its deadline, also while nothing is written
		return true
	}
	x := s.session(r)
	if x == nil {
		return
	}
	f := s.hub.Follow(v.User, keys)
	if f == nil {
		s.site.Say(w, r, v, http.StatusServiceUnavailable, "frame.busy")
		return
	}
	defer f.Leave()
	w.Header().Set("Content-Type", "text/event-stream")
	if !send([]byte(": live\n\n")) {
		return
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			if x.ctx.Err() != nil {
				send([]byte("event: ended\ndata:\n\n"))
			}
			return
		case <-beat.C:
			s.lookFor(x)
			if !send([]byte(": beat\n\n")) {
				return
			}
		case <-f.News():
			s.lookAgain(x)
			for _, e := range f.Take() {
				if e.Down { // perhaps because of the account
					s.lookFor(x)
				}
				if x.ctx.Err() != nil { // the loop says so
					break
				}
				if !send(event(e, s.site.WithToken(e.HTML, v.Token))) {
					return
				}
			}
		}
	}
}

// event is one event on the wire: the fragment's name in the first line of data, the fragment in the others.
func event(e live.Event, html []byte) []byte {
	var b bytes.Buffer
	b.WriteString("event: ")
	if e.Down {
		b.WriteString("down")
	} else {
		b.WriteString("fragment")
	}
	for line := range bytes.SplitSeq(append([]byte(e.Key.Name()+"\n"), html...), []byte("\n")) {
		b.WriteString("\ndata: ")
		b.Write(bytes.TrimSuffix(line, []byte("\r")))
	}
	b.WriteString("\n\n")
	return b.Bytes()
}
