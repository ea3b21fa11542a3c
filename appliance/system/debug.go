package system

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
)

// engineLog is a logger whose records, those of level debug included, also reach the sessions that debug topic.
func (s *System) engineLog(topic string) *slog.Logger {
	return slog.New(&tap{Handler: s.log.Handler(), topic: topic, sessions: &s.sessions})
}

// tap passes records on, and shows them to sessions.
type tap struct {
	slog.Handler
	topic    string
	sessions *sessions
	attrs    []slog.Attr
}

// topicOf is the topic of a record: TLS has one of its own within SIP, and routing within a call.
func (t *tap) topicOf(message string) string {
	switch {
	case t.topic == topicSIP && strings.Contains(message, "TLS"):
		return topicTLS
	case t.topic == topicCall && message == "route":
		return topicRoute
	}
	return t.topic
}

func (t *tap) Enabled(ctx context.Context, level slog.Level) bool {
	return t.Handler.Enabled(ctx, level) || t.sessions.wanted(t.topic) ||
		t.topic == topicSIP && t.sessions.wanted(topicTLS) || t.topic == topicCall && t.sessions.wanted(topicRoute)
}

func (t *tap) Handle(ctx context.Context, r slog.Record) error {
	if topic := t.topicOf(r.Message); t.sessions.wanted(topic) {
		var b strings.Builder
		b.WriteString(r.Message)
		add := func(a slog.Attr) bool {
			fmt.Fprintf(&b, " %s=%s", a.Key, printable.Line(a.Value.Resolve().String()))
			return true
		}
		for _, a := range t.attrs {
			add(a)
		}
		r.Attrs(add)
		t.sessions.emit(topic, b.String())
	}
	if !t.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return t.Handler.Handle(ctx, r)
}

func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *t
	next.Handler = t.Handler.WithAttrs(attrs)
	next.attrs = append(t.attrs[:len(t.attrs):len(t.attrs)], attrs...)
	return &next
}

func (t *tap) WithGroup(name string) slog.Handler {
	next := *t
	next.Handler = t.Handler.WithGroup(name)
	return &next
}

// trace shows a SIP message to the sessions that debug sip.
func (s *System) trace(e sipgw.TraceEntry) {
	if !s.sessions.wanted(topicSIP) {
		return
	}
	how := "received from"
	if e.Sent {
		how = "sent to"
	}
	head := fmt.Sprintf("%s %s %s, gateway %s", how, e.Transport, e.Remote, e.Gateway)
	if e.Dropped != "" {
		head += ", dropped: " + e.Dropped
	}
	s.sessions.emit(topicSIP, head+"\n"+strings.TrimRight(strings.ReplaceAll(mask(string(e.Message)), "\r\n", "\n"), "\n"))
}
