package view

import (
	"context"
	"errors"
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
	sequence uint64 // in the stream
	data     []byte
}

// idle is how long a consumer that nobody reads any more stays at the hub.
const idle = 10 * time.Second

// each calls f with what a stream has, until all of it was read or f returns false.
func each(ctx context.Context, js jetstream.JetStream, stream string, c jetstream.OrderedConsumerConfig, f func(message) bool) error {
	s, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // of a customer that was added a moment ago
		return nil
	} else if err != nil {
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
		if !f(message{box: boxOf(m.Subject()), id: m.Headers().Get(jetstream.MsgIDHeader), received: about.Timestamp, sequence: about.Sequence.Stream, data: m.Data()}) {
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

// last returns the last n messages on a subject that are good, the oldest first, and the sequence up to which it has looked.
func last(ctx context.Context, s jetstream.Stream, subject string, n int, good func() func(message) bool) (list []message, upTo uint64, err error) {
	info, err := s.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	if n <= 0 {
		return nil, info.State.LastSeq, nil
	}
	// A stream is read forwards alone, but says how much comes from somewhere on: so look ever further back.
	first, end := max(info.State.FirstSeq, 1), info.State.LastSeq
	for span := uint64(4 * n); ; span *= 8 {
		from := first
		if end > first+span {
			from = end - span
		}
		c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: idle,
		})
		if err != nil {
			return nil, 0, err
		}
		if from > first && c.CachedInfo().NumPending < uint64(n) {
			forget(ctx, s, c)
			continue
		}
		list, upTo = nil, end
		keep := good()
		err = read(ctx, s, c, false, func(m message) bool {
			upTo = max(upTo, m.sequence)
			if keep(m) {
				list = append(list, m)
				list = list[max(0, len(list)-n):]
			}
			return true
		})
		if err != nil || len(list) == n || from == first {
			return list, upTo, err
		}
	}
}

// boxOf is the box of a subject of package fleet.
func boxOf(subject string) string {
	_, rest, _ := strings.Cut(subject, ".")
	box, _, _ := strings.Cut(rest, ".")
	return box
}
