package view

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Tail says what of a stream is shown.
type Tail struct {
	Box    string         // "": of all boxes
	Last   int            // how many of those that there are already, at most
	Follow bool           // go on until the context ends
	JSON   bool           // one object a line
	Zone   *time.Location // of the times; nil: that of this machine. JSON has UTC
}

// Alarm is an alarm of a box as the hub has it.
type Alarm struct {
	Box      string      `json:"box"`
	Received time.Time   `json:"received"`
	Alarm    fleet.Alarm `json:"alarm"`
}

// Call is the record of a call of a box as the hub has it. Its texts are as the box sent them.
type Call struct {
	Box      string        `json:"box"`
	Received time.Time     `json:"received"`
	Record   status.Record `json:"record"`
}

func readAlarm(m message) (Alarm, error) {
	a := Alarm{Box: m.box, Received: m.received.UTC()}
	err := json.Unmarshal(m.data, &a.Alarm)
	a.Alarm = cleanAlarm(a.Alarm)
	return a, err
}

func readCall(m message) (Call, error) {
	r, err := status.ReadRecord(m.data)
	return Call{m.box, m.received.UTC(), r}, err
}

// form is what is shown of a message: a value as JSON, or a line.
type form func(message) (any, string, error)

// show reads a stream and writes a line for each message.
func (t Tail) show(ctx context.Context, js jetstream.JetStream, stream string, subject func(string) string, w io.Writer, form form) error {
	box := "*"
	if t.Box != "" {
		if err := fleet.CheckName(t.Box); err != nil {
			return err
		}
		box = t.Box
	}
	var failed error
	err := lastOf(ctx, js, stream, subject(box), t.Last, t.Follow, func(m message) bool {
		value, line, err := form(m)
		switch {
		case err != nil && t.JSON:
			value = map[string]any{"box": m.box, "received": m.received.UTC(), "damaged": len(m.data)}
		case err != nil:
			line = fmt.Sprintf("%s  %-*s  a message that cannot be read, of %d octets", clock(m.received, t.Zone), boxWidth, m.box, len(m.data))
		}
		if t.JSON {
			line, err = oneLine(value)
			if err != nil {
				failed = err
				return false
			}
		}
		_, failed = io.WriteString(w, line+"\n")
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// lastOf calls f with the last n messages of a subject, and with those that come if it follows.
func lastOf(ctx context.Context, js jetstream.JetStream, stream, subject string, n int, follow bool, f func(message) bool) error {
	var (
		s    jetstream.Stream
		g    func(message) bool
		list []message
		upTo uint64
	)
	err := again(ctx, func() (err error) {
		if s, err = js.Stream(ctx, stream); err == nil {
			list, upTo, err = last(ctx, s, subject, n, func() func(message) bool { g = good(); return g })
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	for _, m := range list {
		if !f(m) {
			return nil
		}
	}
	if !follow {
		return nil
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: upTo + 1, InactiveThreshold: idle,
	})
	if err != nil {
		return fmt.Errorf("follow %s: %w", stream, err)
	}
	if g == nil {
		g = good()
	}
	return read(ctx, s, consumer, true, func(m message) bool { return !g(m) || f(m) })
}

// good tells what boxes have said from what they have sent again, and from what does not have an id as boxes give them: answers of JetStream go wherever a
// box wants them, also to a subject of another one.
func good() func(message) bool {
	seen := seen{maphash.MakeSeed(), map[string][]uint64{}}
	return func(m message) bool { return strings.HasPrefix(m.id, m.box+"/") && !seen.before(m) }
}

// seen are the ids of the last messages of each box, hashed. After a power cut that outlasts the hub's own memory a box sends once more what it does not
// know to be there.
type seen struct {
	seed  maphash.Seed
	boxes map[string][]uint64
}

const remembered = 1000

func (s *seen) before(m message) bool {
	h := maphash.String(s.seed, m.id)
	ids := s.boxes[m.box]
	if slices.Contains(ids, h) {
		return true
	}
	s.boxes[m.box] = append(ids[max(0, len(ids)+1-remembered):], h)
	return false
}

// oneLine is a value as JSON that a terminal may show.
func oneLine(value any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return strings.TrimSuffix(string(printable.JSON(b.Bytes())), "\n"), nil
}
