package view

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// message is one of a stream.
type message struct {
	box      string // by its subject, which the hub has checked
	id       string // that the box gave it; "": none
	received time.Time
	data     []byte
}

// idle is how long a consumer that nobody reads any more stays at the hub.
const idle = 10 * time.Second

// each calls f with what a stream has, until all of it was read or f returns false.
func each(ctx context.Context, js jetstream.JetStream, stream string, c jetstream.OrderedConsumerConfig, f func(message) bool) error {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	c.InactiveThreshold = idle
	consumer, err := s.OrderedConsumer(ctx, c)
	if err != nil {
		return err
	}
	return read(ctx, s, consumer, false, f)
}

// read calls f with the messages of a consumer, until all that are there were read, or for ever, or until f returns false. Then the consumer is gone.
func read(ctx context.Context, s jetstream.Stream, consumer jetstream.Consumer, forever bool, f func(message) bool) error {
	if consumer.CachedInfo().NumPending == 0 && !forever {
		forget(ctx, s, consumer)
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer func() { messages.Stop(); forget(ctx, s, consumer) }()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			if ctx.Err() != nil && forever {
				return nil
			}
			return fmt.Errorf("read %s: %w", s.CachedInfo().Config.Name, err)
		}
		about, err := m.Metadata()
		if err != nil {
			return err
		}
		if !f(message{box: boxOf(m.Subject()), id: m.Headers().Get(jetstream.MsgIDHeader), received: about.Timestamp, data: m.Data()}) {
			return nil
		}
		if about.NumPending == 0 && !forever {
			return nil
		}
	}
}

// forget ends a consumer. One that stays all the same ends by itself.
func forget(ctx context.Context, s jetstream.Stream, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.DeleteConsumer(ctx, consumer.CachedInfo().Name)
}

// last returns a consumer of what a stream has on a subject, from the last n messages on. skip is how many come before these.
func last(ctx context.Context, s jetstream.Stream, subject string, n int) (c jetstream.Consumer, skip int, err error) {
	info, err := s.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	// A stream counts what comes from somewhere on, but does not read backwards: so look ever further back.
	for span := uint64(4 * n); ; span *= 8 {
		first := max(info.State.FirstSeq, 1)
		from := first
		if info.State.LastSeq > first+span {
			from = info.State.LastSeq - span
		}
		c, err = s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: idle,
		})
		if err != nil {
			return nil, 0, err
		}
		have := int(c.CachedInfo().NumPending)
		if have >= n || from == first {
			return c, max(0, have-n), nil
		}
		forget(ctx, s, c)
	}
}

// boxOf is the box of a subject of package fleet.
func boxOf(subject string) string {
	_, rest, _ := strings.Cut(subject, ".")
	box, _, _ := strings.Cut(rest, ".")
	return box
}
