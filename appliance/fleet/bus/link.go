package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/natswire"
	"viaduct/appliance/printable"
)

// token is a part of a subject that nobody guesses.
func token() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (b *Bus) current() (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == nil {
		return nil, fleet.ErrAway
	}
	return b.session, nil
}

// Request is that of fleet.Link.
func (b *Bus) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	a, err := b.ask(ctx, subject, "", body)
	return a.data, err
}

// Keep is that of fleet.Link.
func (b *Bus) Keep(ctx context.Context, subject, id string, body []byte) error {
	if id == "" || len(id) > 256 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return fmt.Errorf("%w: %q is no id", fleet.ErrRefused, printable.Text(id))
	}
	a, err := b.ask(ctx, subject, "NATS/1.0\r\nNats-Msg-Id: "+id+"\r\n\r\n", body)
	if err != nil {
		return err
	}
	return kept(a.data)
}

// kept reads the answer of a stream.
func kept(data []byte) error {
	var a struct {
		Stream string `json:"stream"`
		Error  *struct {
			Code        int    `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(data, &a); {
	case err != nil || a.Error == nil && a.Stream == "":
		return fmt.Errorf("%w: what it says is not whether it has the message", fleet.ErrAway)
	case a.Error == nil:
		return nil
	case a.Error.Code >= 400 && a.Error.Code < 500 && a.Error.Code != 408 && a.Error.Code != 429: // of the message, not of the hub
		return fmt.Errorf("%w: %s", fleet.ErrRefused, printable.Text(a.Error.Description))
	default:
		return fmt.Errorf("%w: %s", fleet.ErrAway, printable.Text(a.Error.Description))
	}
}

// ask sends a request and waits for its answer.
func (b *Bus) ask(ctx context.Context, subject, header string, body []byte) (answer, error) {
	s, err := b.current()
	if err != nil {
		return answer{}, err
	}
	w := &waiting{subject: subject, answer: make(chan answer, 1)}
	token, err := s.request(w, header, body)
	if err != nil {
		return answer{}, err
	}
	select {
	case a := <-w.answer:
		if a.err == nil && a.status == "503" {
			a.err = fmt.Errorf("%w: nobody there answers", fleet.ErrAway)
			b.unanswered(s)
			return a, a.err
		}
		s.mu.Lock()
		s.deaf = time.Time{}
		s.mu.Unlock()
		return a, a.err
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.waiting, token)
		s.mu.Unlock()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			b.unanswered(s)
		}
		return answer{}, fmt.Errorf("%w: no answer in time: %w", fleet.ErrAway, context.Cause(ctx))
	}
}

// unanswered notes a request without an answer. A node that is cut off from the two others keeps its connections, and answers nothing: after a while another
// one is asked.
func (b *Bus) unanswered(s *session) {
	b.mu.Lock()
	others := len(b.settings.Hubs) > 1
	b.mu.Unlock()
	s.mu.Lock()
	if s.deaf.IsZero() {
		s.deaf = time.Now()
	}
	since := time.Since(s.deaf)
	s.mu.Unlock()
	if others && since >= deafTime {
		s.fail(errAlone)
		s.wire.Close()
	}
}

// request queues a message that wants an answer.
func (s *session) request(w *waiting, header string, body []byte) (token string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	token = strconv.FormatUint(s.tokens, 36)
	if err := s.publish(w.subject, s.inbox+"."+token, header, body); err != nil {
		return "", err
	}
	s.waiting[token] = w
	return token, nil
}

// publish queues a message. The lock is held.
func (s *session) publish(subject, reply, header string, body []byte) error {
	if err := checkSubject(subject); err != nil {
		return err
	}
	if size := len(header) + len(body); size > fleet.MaxMessage {
		return fmt.Errorf("%w: it has %d octets, and %d are the most", fleet.ErrRefused, size, fleet.MaxMessage)
	}
	if reply != "" {
		reply = " " + reply
	}
	if strings.HasPrefix(subject, tunnels) {
		return s.queueBulk(slices.Concat(fmt.Appendf(nil, "PUB %s%s %d\r\n", subject, reply, len(body)), body, crlf))
	}
	if header == "" {
		return s.queueLocked(fmt.Appendf(nil, "PUB %s%s %d\r\n", subject, reply, len(body)), body, crlf)
	}
	return s.queueLocked(fmt.Appendf(nil, "HPUB %s%s %d %d\r\n%s", subject, reply, len(header), len(header)+len(body), header), body, crlf)
}

// tunnels is how subjects of package tunnel begin.
const tunnels = "tunnel."

var crlf = []byte("\r\n")

// Send is that of fleet.Link. It does not wait: what is sent is queued, and 4 MiB wait at most. What goes through tunnels has a queue of its own, of the
// same size, and waits until nothing else does. When a queue is full, the error is ErrAway although there is a connection.
func (b *Bus) Send(subject string, body []byte) error {
	s, err := b.current()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publish(subject, "", "", body)
}

// Reply is that of fleet.Link. Like Send it does not wait.
func (b *Bus) Reply(to fleet.Message, body []byte) error {
	if to.Reply == "" {
		return nil
	}
	return b.Send(to.Reply, body)
}

// Listen is that of fleet.Link. f is called by the goroutine that reads what the hub sends: while it lasts, nothing else arrives. It may Send, Reply,
// Listen and stop. One call of f may still last when stop returns.
func (b *Bus) Listen(subject string, f func(fleet.Message)) (stop func(), err error) {
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	l := &listen{b.last, subject, f}
	b.listens[l.number] = l
	if b.session != nil {
		b.session.subscribe(l)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.listens[l.number] == nil {
			return
		}
		delete(b.listens, l.number)
		if b.session != nil {
			_ = b.session.queue(fmt.Appendf(nil, "UNSUB %d\r\n", l.number))
		}
	}, nil
}

// subscribe tells the hub what somebody listens to. Without that the connection would be there in part only, so it ends.
func (s *session) subscribe(l *listen) {
	if err := s.queue(fmt.Appendf(nil, "SUB %s %d\r\n", l.subject, l.number)); err != nil {
		s.fail(err)
	}
}

// deliver gives a message to who listens. What comes under a subject that nobody asked for is dropped.
func (b *Bus) deliver(o natswire.Op) {
	b.mu.Lock()
	l := b.listens[o.Subscription]
	b.mu.Unlock()
	if l == nil || !fits(l.subject, o.Subject) {
		return
	}
	l.f(fleet.Message{Subject: o.Subject, Reply: o.Reply, Data: o.Data})
}

// Changed is that of fleet.Link.
func (b *Bus) Changed() (connected bool, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session != nil, b.changed
}
