package bus

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/natswire"
)

const (
	queueMax   = 4 << 20          // octets that wait to be written, and as many of tunnels
	chunk      = 64 << 10         // octets that are written at once
	writeTime  = 20 * time.Second // for a chunk
	silence    = 10 * time.Second // then the hub is asked whether it is there,
	answerTime = 25 * time.Second // and is lost when nothing has come for so long after the question
	lookTime   = 5 * time.Second  // between looks at that
	lastWords  = 2 * time.Second  // for a hub that reads no more to have said why
)

// inboxNumber is the subscription to answers.
const inboxNumber = 1

// errRefused is a hub that does not take the key.
var (
	errRefused = errors.New("it does not know the key, or has revoked it")
	errName    = errors.New("it knows the key by another name")
	errNoKey   = errors.New("it does not ask for a key, so it is not set up as a hub")
	errSilent  = errors.New("nothing is heard of it any more")
	errSlow    = errors.New("it takes what is sent too slowly")
	errFull    = fmt.Errorf("%w: %w", fleet.ErrAway, errSlow)
	errEnded   = errors.New("it has ended the connection")
	errAlone   = errors.New("it answers nothing: it may be cut off from the other nodes")
)

// wire carries octets to a node and back.
type wire interface {
	io.Reader
	// write waits until the octets are with the system, for writeTime at most.
	write(p []byte) error
	io.Closer // also ends what waits in Read and write
}

// session is a connection to a node, for as long as it lasts.
type session struct {
	node  string // HOST:PORT
	wire  wire
	in    *natswire.Reader
	inbox string // answers come to inbox.TOKEN

	mu      sync.Mutex // protects the following
	out     []byte     // waits to be written
	bulk    [][]byte   // messages of tunnels, which wait until nothing else does: they would hold up a call that asks for a license
	bulky   int        // octets of those
	queued  int64      // octets of out so far
	written int64      // of those
	heard   time.Time  // when the hub last said something
	asked   int64      // octets at which the question is written whether it is there; 0: none is asked
	askedAt time.Time  // when that was; zero: not yet
	waiting map[string]*waiting
	tokens  uint64
	deaf    time.Time     // since when no request was answered; zero: the last one was
	err     error         // why it has ended
	note    string        // the last error that the hub has told, which explains why it ends the connection
	wake    chan struct{} // one token: there is something to write
	ended   chan struct{} // closed when it has
}

// waiting is a request without its answer.
type waiting struct {
	subject string
	answer  chan answer // has room for one
}

type answer struct {
	status string
	data   []byte
	err    error
}

// newSession says hello on a wire: when it returns without an error, the hub has taken the key and the name.
func newSession(w wire, node string, s *Settings) (*session, error) {
	c := &session{node: node, wire: w, in: natswire.NewReader(w, fleet.MaxMessage), waiting: map[string]*waiting{}, heard: time.Now(), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	c.inbox = fleet.Inbox(s.Name) + "." + token()
	first, err := c.in.Next()
	if err != nil {
		return nil, err
	}
	if first.Verb == "-ERR" {
		return nil, told(first.Text)
	}
	if first.Verb != "INFO" {
		return nil, natswire.Garbled("it does not begin with INFO")
	}
	info, err := parseInfo(first.Text)
	if err != nil {
		return nil, err
	}
	if info.Nonce == "" {
		return nil, errNoKey
	}
	if info.MaxPayload < fleet.MaxMessage { // what it would refuse later would be lost
		return nil, natswire.Garbled(fmt.Sprintf("it takes messages of %d octets at most, and a hub takes %d", info.MaxPayload, fleet.MaxMessage))
	}
	signature, err := s.Key.pair.Sign([]byte(info.Nonce))
	if err != nil {
		return nil, fmt.Errorf("sign with the key: %w", err)
	}
	connect, err := json.Marshal(hello{NKey: s.Key.public, Signature: base64.RawURLEncoding.EncodeToString(signature), Name: s.Name, Lang: "go", Version: "1",
		Protocol: 1, Headers: true, NoResponders: true})
	if err != nil {
		return nil, err
	}
	unsent := w.write(fmt.Appendf(nil, "CONNECT %s\r\nSUB %s.* %d\r\nPING\r\n", connect, c.inbox, inboxNumber)) // it may have said why
	for {
		o, err := c.in.Next()
		switch {
		case err != nil && unsent != nil && !errors.Is(err, natswire.ErrGarbled):
			return nil, c.why(unsent)
		case err != nil:
			return nil, c.why(err)
		case o.Verb == "PONG":
			return c, nil
		case o.Verb == "-ERR":
			if err := told(o.Text); errors.Is(err, errRefused) || errors.Is(err, errName) {
				return nil, err
			}
			c.note = o.Text
		case o.Verb == "MSG":
			return nil, natswire.Garbled("a message before its greeting")
		}
	}
}

// told is what an error of the hub means before it has taken us.
func told(text string) error {
	if refuses(text) {
		return errRefused
	}
	if what, subject := denied(text); what == "Subscription to " && strings.HasPrefix(subject, "_INBOX_") {
		return errName
	}
	return fmt.Errorf("it says %q", text)
}

// why is the reason for which a connection has broken, in place of the fact.
func (c *session) why(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.note != "" && !errors.Is(err, natswire.ErrGarbled) {
		return told(c.note)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) {
		return errEnded
	}
	return err
}

// fail ends the connection, once.
func (c *session) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.ended)
	for token, w := range c.waiting {
		w.answer <- answer{err: fleet.ErrAway}
		delete(c.waiting, token)
	}
	c.out, c.bulk = nil, nil
}

// run reads until the connection ends, and says why. It has ended when run returns, with all that belonged to it.
func (c *session) run(ctx context.Context, deliver func(o natswire.Op)) error {
	var helpers sync.WaitGroup
	helpers.Go(c.send)
	helpers.Go(func() { c.look(ctx) })
	for {
		o, err := c.in.Next()
		if err == nil {
			err = c.take(o, deliver)
		}
		if err != nil {
			c.fail(c.why(err))
			break
		}
	}
	c.wire.Close()
	helpers.Wait()
	return c.err
}

// take does what an op asks for.
func (c *session) take(o natswire.Op, deliver func(o natswire.Op)) error {
	c.mu.Lock()
	c.heard, c.asked, c.askedAt = time.Now(), 0, time.Time{}
	c.mu.Unlock()
	switch o.Verb {
	case "PING":
		return c.queue([]byte("PONG\r\n"))
	case "-ERR":
		return c.complaint(o.Text)
	case "MSG":
		if o.Subscription == inboxNumber {
			c.answered(o)
			return nil
		}
		deliver(o)
	}
	return nil
}

// complaint takes an error of the hub. What it does not let us do fails the requests that wait for it; nothing else ends by that.
func (c *session) complaint(text string) error {
	if refuses(text) {
		return errRefused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	what, subject := denied(text)
	if what == "" {
		c.note = text // it ends the connection after that
		return nil
	}
	for token, w := range c.waiting {
		if what == "Publish to " && w.subject == subject {
			w.answer <- answer{err: fmt.Errorf("%w for this: it does not let us send to %s", fleet.ErrAway, subject)}
			delete(c.waiting, token)
		}
	}
	return nil
}

// answered gives an answer to who waits for it.
func (c *session) answered(o natswire.Op) {
	token, ok := strings.CutPrefix(o.Subject, c.inbox+".")
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.waiting[token]; w != nil {
		w.answer <- answer{status: o.Status, data: append([]byte(nil), o.Data...)}
		delete(c.waiting, token)
	}
}

// queue has octets written. It does not wait.
func (c *session) queue(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queueLocked(parts...)
}

func (c *session) queueLocked(parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if c.err != nil {
		return fleet.ErrAway
	}
	if len(c.out)+size > queueMax {
		return errFull
	}
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	c.queued += int64(size)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// queueBulk has a message of a tunnel written when nothing else waits.
func (c *session) queueBulk(message []byte) error {
	if c.err != nil {
		return fleet.ErrAway
	}
	if c.bulky+len(message) > queueMax {
		return errFull
	}
	c.bulk = append(c.bulk, message)
	c.bulky += len(message)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// send writes what is queued until the connection ends.
func (c *session) send() {
	var batch []byte
	for {
		select {
		case <-c.wake:
		case <-c.ended:
			return
		}
		for {
			var urgent bool
			if batch, urgent = c.next(batch[:0]); len(batch) == 0 {
				break
			}
			for rest := batch; len(rest) > 0; {
				n := min(len(rest), chunk)
				if err := c.wire.write(rest[:n]); err != nil {
					c.unsent(err)
					return
				}
				rest = rest[n:]
				if urgent {
					c.wrote(n)
				}
			}
		}
		if cap(batch) > 1<<20 {
			batch = nil
		}
	}
}

// unsent ends a connection on which nothing can be sent any more. What the hub has said before is read first: it may be why.
func (c *session) unsent(err error) {
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-c.ended:
		return
	case <-timer.C:
	}
	c.fail(c.why(err))
	c.wire.Close()
}

// next takes what is to be written: all that is urgent, or else some messages of tunnels.
func (c *session) next(batch []byte) (next []byte, urgent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 0 {
		next, c.out = c.out, batch
		return next, true
	}
	n := 0
	for ; n < len(c.bulk) && len(batch) < chunk; n++ {
		batch = append(batch, c.bulk[n]...)
		c.bulky -= len(c.bulk[n])
		c.bulk[n] = nil
	}
	if c.bulk = c.bulk[n:]; len(c.bulk) == 0 {
		c.bulk = nil
	}
	return batch, false
}

// wrote counts what is written, and when the question is.
func (c *session) wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += int64(n)
	if c.asked > 0 && c.askedAt.IsZero() && c.written >= c.asked {
		c.askedAt = time.Now()
	}
}

// look ends a connection when its time is over, or when the hub is not there any more.
func (c *session) look(ctx context.Context) {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.fail(context.Cause(ctx))
			c.wire.Close()
			return
		case <-c.ended:
			c.wire.Close()
			return
		}
		if err := c.alive(time.Now()); err != nil {
			c.fail(err)
			c.wire.Close()
			return
		}
	}
}

// alive asks the hub whether it is there when it was silent for a while. A question that waits behind much else counts from when it is written.
func (c *session) alive(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.askedAt.IsZero() && now.Sub(c.askedAt) >= answerTime:
		return errSilent
	case c.asked == 0 && now.Sub(c.heard) >= silence:
		if err := c.queueLocked([]byte("PING\r\n")); err != nil {
			return nil // much waits to be written, for which there is a time of its own
		}
		c.asked = c.queued
	}
	return nil
}
