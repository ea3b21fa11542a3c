package diag

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// topicKey is the key of the attribute by which a record is of another topic than its logger.
const topicKey = "topic"

// Logger returns a logger whose records, debug level included, also reach the sessions that debug topic. Records with the attribute
// "topic" are for that one: others names the topics that may occur.
func (s *Sessions) Logger(topic string, others ...string) *slog.Logger {
	return slog.New(&tap{Handler: s.Log.Handler(), topic: topic, others: others, sessions: s})
}

// tap passes records on, and shows them to sessions.
type tap struct {
	slog.Handler
	topic    string
	others   []string
	sessions *Sessions
	attrs    []slog.Attr
}

// topicOf returns the topic of a record.
func (t *tap) topicOf(r slog.Record) string {
	topic := t.topic
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == topicKey {
			topic = a.Value.String()
		}
		return a.Key != topicKey
	})
	return topic
}

func (t *tap) Enabled(ctx context.Context, level slog.Level) bool {
	return t.Handler.Enabled(ctx, level) || t.sessions.wanted(t.topic) || slices.ContainsFunc(t.others, t.sessions.wanted)
}

func (t *tap) Handle(ctx context.Context, r slog.Record) error {
	if topic := t.topicOf(r); t.sessions.wanted(topic) {
		var b strings.Builder
		b.WriteString(r.Message)
		var keys []string
		add := func(a slog.Attr) bool {
			if a.Key == "call" || a.Key == "call_id" {
				keys = append(keys, a.Value.Resolve().String())
			}
			if a.Key != topicKey {
				fmt.Fprintf(&b, " %s=%s", a.Key, printable.Line(a.Value.Resolve().String()))
			}
			return true
		}
		for _, a := range t.attrs {
			add(a)
		}
		r.Attrs(add)
		t.sessions.emit(topic, b.String(), keys...)
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

// Trace shows a SIP message to the sessions that debug sip, without its secrets.
func (s *Sessions) Trace(e siptransport.TraceEntry) {
	if !s.wanted(TopicSIP) {
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
	var keys []string
	if id := string(sipmsg.CallIDOf(e.Message)); id != "" {
		keys = append(keys, id)
	}
	s.emit(TopicSIP, head+"\n"+string(e.Message), keys...)
}
