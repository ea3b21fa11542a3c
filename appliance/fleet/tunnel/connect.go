package tunnel

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable"
)

// askTime is for a box's answer: it may have to connect first.
const askTime = 15 * time.Second

// Errors of an operator's connection.
var (
	ErrNobody  = errors.New("no box of this name is connected to the hub") // nobody answers
	ErrHubLost = errors.New("the connection to the hub is lost")
	ErrStopped = errors.New("the operator has ended it")
)

// RefusedError is why a box gives no connection, as a sentence of the box.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }

// Target is what an operator connects to.
type Target struct {
	Operator, Box, Service string
}

// Connect joins a local connection and a service of a box, until both directions have ended, and closes the local side.
func Connect(ctx context.Context, link fleet.Link, to Target, l Side) error {
	defer l.Close()
	var raw [16]byte
	rand.Read(raw[:]) // which never fails
	id := hex.EncodeToString(raw[:])
	in := fleet.Tunnel(to.Operator, to.Box, id, true)
	s := newSession("the operator's end", link, in)
	stop, err := link.Listen(fleet.Tunnel(to.Operator, to.Box, id, false), func(m fleet.Message) { s.deliver(m.Data) })
	if err != nil {
		return fmt.Errorf("listen to the box: %w", err)
	}
	defer stop()
	stopped := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // which ends for a reason
	defer context.AfterFunc(stopped, func() { cancel(ErrStopped) })()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() { watch(ctx, link, cancel) })
	err = ask(ctx, link, to, id)
	switch {
	case err == nil:
		err = s.run(ctx, l)
	case errors.Is(err, ErrNobody), errors.As(err, new(RefusedError)):
		return err
	default: // the box may have begun
		link.Send(in, frame{kind: kindReset, why: "the operator does not wait any more"}.append(nil))
	}
	flush(ctx, link, to.Operator)
	return err
}

// watch cancels when the hub is lost: messages may be lost with it.
func watch(ctx context.Context, link fleet.Link, cancel context.CancelCauseFunc) {
	for {
		connected, next := link.Changed()
		if !connected {
			cancel(ErrHubLost)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

// flushTime is for the last messages of a connection, a window full at 1 Mbit/s.
const flushTime = 5 * time.Second

// noBox is the name of none.
const noBox = "-"

// flush waits until the hub has what was sent: the program may end after it, and the box would wait for the rest. The hub answers that nobody listens
// there. It is asked by a message of a tunnel, since others overtake those.
func flush(ctx context.Context, link fleet.Link, operator string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	link.Request(ctx, fleet.Tunnel(operator, noBox, "flush", true), nil)
}

// ask asks the box for a connection.
func ask(ctx context.Context, link fleet.Link, to Target, id string) error {
	body, err := json.Marshal(fleet.Dial{ID: id, Service: to.Service})
	if err != nil {
		return err
	}
	waiting, done := context.WithTimeout(ctx, askTime)
	defer done()
	reply, err := link.Request(waiting, fleet.DialOf(to.Operator, to.Box), body)
	connected, _ := link.Changed()
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fleet.ErrAway) && connected:
		return ErrNobody
	case errors.Is(err, fleet.ErrAway):
		return ErrHubLost
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the box does not answer within %v", askTime)
	default:
		return fmt.Errorf("ask the box: %w", err)
	}
	var answer fleet.Answer
	if err := json.Unmarshal(reply, &answer); err != nil {
		return fmt.Errorf("the answer of the box is damaged: %w", err)
	}
	if answer.Error != "" {
		return RefusedError(printable.Text(answer.Error))
	}
	return nil
}

// Serve connects each connection of a listener to a service of a box, until ctx ends. said gets the end of each that did not end well. It closes the
// listener and waits for all.
func Serve(ctx context.Context, link fleet.Link, to Target, listener net.Listener, said func(error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	places := make(chan struct{}, mostOfOne)
	for {
		c, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("accept a connection: %w", err)
		}
		side, ok := c.(Side)
		if !ok {
			c.Close()
			return errors.New("accept a connection: it is none of TCP")
		}
		select {
		case places <- struct{}{}:
		default:
			c.Close()
			said(fmt.Errorf("a connection too many: %d is the most at once", mostOfOne))
			continue
		}
		all.Go(func() {
			defer func() { <-places }()
			if err := Connect(ctx, link, to, side); err != nil && !errors.Is(err, ErrStopped) {
				said(err)
			}
		})
	}
}

// Stdio makes a Side of a program's stdin and stdout. What is blocked in them when the Side is closed ends with the process.
func Stdio(in io.Reader, out io.WriteCloser) Side {
	s := &stdio{written: make(chan struct{}), closed: make(chan struct{})}
	var feed *io.PipeWriter
	var drain *io.PipeReader
	s.PipeReader, feed = io.Pipe()
	drain, s.out = io.Pipe()
	go func() {
		_, err := io.Copy(feed, in)
		feed.CloseWithError(err) // nil is the end
	}()
	go func() {
		defer close(s.written)
		_, err := io.Copy(out, drain)
		drain.CloseWithError(err)
		if err != nil { // nobody may have more to write, who would notice
			feed.CloseWithError(err)
		}
		out.Close()
	}()
	return s
}

type stdio struct {
	*io.PipeReader
	out     *io.PipeWriter
	written chan struct{} // all that came is
	once    sync.Once
	closed  chan struct{}
}

func (s *stdio) Write(data []byte) (int, error) { return s.out.Write(data) }

// CloseWrite waits until all is written.
func (s *stdio) CloseWrite() error {
	s.out.Close()
	select {
	case <-s.written:
	case <-s.closed:
	}
	return nil
}

func (s *stdio) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.out.CloseWithError(io.ErrClosedPipe)
	return s.PipeReader.Close()
}
