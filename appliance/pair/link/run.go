package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/natswire"
	"viaduct/appliance/pair"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

const (
	beatTime = time.Second            // between two words about how far the table has come
	askTime  = 500 * time.Millisecond // between two times that the table is asked for
	pause    = 20 * time.Millisecond  // between two messages of the table while they are small: one for all that changes meanwhile
)

// Run keeps the path until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l.mu.Lock()
		s := l.settings
		within, cancel := context.WithCancel(ctx)
		l.cancel = cancel
		l.mu.Unlock()
		if s == (Settings{}) {
			l.look()
			select {
			case <-within.Done():
			case <-l.nudge:
			}
		} else if err := l.connect(within, &s); err != nil && within.Err() == nil {
			l.o.Log.Warn("the path of the pair breaks, and is opened anew", "error", printable.Text(err.Error()))
			select {
			case <-within.Done():
			case <-time.After(retryTime):
			}
		}
		cancel()
	}
	return nil
}

// connect keeps both directions, until ctx or the engine ends.
func (l *Link) connect(ctx context.Context, s *Settings) error {
	e, err := startEngine()
	if err != nil {
		return err
	}
	defer e.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &gate{own: s.Own, other: s.Other.Addr().Unmap(), tls: s.Key.tls(s.Pin), engine: e.server.InProcessConn, states: l.cameIn, told: l.listens, turned: l.turned}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() { g.run(ctx) })
	parts.Go(func() { l.reach(ctx, s) })
	parts.Go(func() { l.watch(ctx) })
	return e.listen(ctx, func(subject string, message []byte) { l.hear(s, subject, message) })
}

// watch looks once a second at what no message tells.
func (l *Link) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer l.o.Health.Clear(health.RedundancyDropped, "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		missing := len(l.out.missing)
		l.mu.Unlock()
		if missing > 0 {
			l.o.Health.Set(health.RedundancyDropped, health.Args{"why": plural.Of(missing, "entry") + " of the table of calls, phones and files would be too much for it"})
		} else {
			l.o.Health.Clear(health.RedundancyDropped, "")
		}
		l.look()
	}
}

// cameIn takes that the other box has connected, or has not any more.
func (l *Link) cameIn(connected bool) {
	l.mu.Lock()
	l.way.in = connected
	if connected {
		l.way.turned = ""
	}
	l.in.lost()
	l.say.asked = time.Time{}
	l.mu.Unlock()
	signal(l.wake)
	l.look()
}

// listens takes whether there is a socket.
func (l *Link) listens(err error) {
	l.mu.Lock()
	l.way.whyIn = ""
	if err != nil {
		l.way.whyIn = reason(err)
	}
	l.mu.Unlock()
	l.look()
}

// turned takes that somebody was not let in.
func (l *Link) turned(err error) {
	l.mu.Lock()
	why := reason(err)
	news := l.way.turned != why
	l.way.turned = why
	l.mu.Unlock()
	if news { // and not each time
		l.o.Log.Warn("a connection on the direct path is turned away", "why", why)
	}
	l.look()
}

// reason is an error as people read it, without addresses, which change from attempt to attempt.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return printable.Text(err.Error())
}

// hear takes a message of the other box.
func (l *Link) hear(s *Settings, subject string, message []byte) {
	now := time.Now()
	switch subject {
	case subjectWord:
		w, err := parseWord(message, 3-s.Box)
		if err != nil {
			l.o.Log.Warn("the other box says something that means nothing", "error", err)
			return
		}
		if l.o.Heard != nil {
			l.o.Heard(w)
		}
	case subjectNote:
		if l.o.Noted != nil {
			l.o.Noted(message)
		}
	case subjectTable:
		l.hearTable(message, now)
	default:
		p, _, err := parsePlace(message)
		if err != nil {
			return
		}
		l.hearPlace(subject, p, now)
	}
}

func (l *Link) hearTable(message []byte, now time.Time) {
	l.mu.Lock()
	before, files := l.in.whole, l.in.filed
	at, told, err := l.in.take(message, now)
	if told {
		l.say.ack, l.say.told = at, true
	}
	if err != nil {
		l.say.asked = time.Time{}
	}
	news := before != l.in.whole
	filed := files != l.in.filed
	l.mu.Unlock()
	signal(l.wake)
	if err != nil {
		l.o.Log.Warn("a part of the other box's table is missing, all of it is asked for", "error", err)
	}
	if filed && l.o.Changed != nil {
		l.o.Changed()
	}
	if news {
		l.look()
	}
}

func (l *Link) hearPlace(subject string, p place, now time.Time) {
	l.mu.Lock()
	switch subject {
	case subjectBeat:
		l.in.hear(p)
	case subjectAsk:
		l.out.follow(p.ask)
	case subjectAck:
		l.out.arrived(p)
		l.way.last = now
		close(l.moved)
		l.moved = make(chan struct{})
	}
	l.mu.Unlock()
	signal(l.wake)
	l.look()
}

// reach keeps a connection to the other box's engine.
func (l *Link) reach(ctx context.Context, s *Settings) {
	for ctx.Err() == nil {
		err := l.speak(ctx, s)
		l.mu.Lock()
		l.way.out = false
		l.out.end()
		if err != nil {
			l.way.whyOut = reason(err)
		}
		l.mu.Unlock()
		l.look()
		select {
		case <-ctx.Done():
		case <-time.After(retryTime):
		}
	}
}

// speak tells the other box's engine what there is to tell, for as long as a connection lasts.
func (l *Link) speak(ctx context.Context, s *Settings) error {
	raw, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn := timed{raw}
	in, err := greet(conn, hello{})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.way.out, l.way.whyOut = true, ""
	l.say.beaten, l.say.asked, l.say.noted = time.Time{}, time.Time{}, false
	l.mu.Unlock()
	l.look()
	pings := make(chan struct{}, 1)
	ended := make(chan error, 1)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer raw.Close()
	reader.Go(func() { ended <- obey(in, pings) })
	return l.tell(ctx, conn, pings, ended)
}

// obey reads what an engine says to somebody who only publishes.
func obey(in *natswire.Reader, pings chan struct{}) error {
	for {
		o, err := in.Next()
		if err != nil {
			return err
		}
		switch o.Verb {
		case "PING":
			signal(pings)
		case "-ERR":
			if !strings.HasPrefix(o.Text, "Permissions Violation") { // an earlier release does not know all that this one says
				return fmt.Errorf("it says %q", o.Text)
			}
		case "MSG":
			return natswire.Garbled("a message that nobody has subscribed to")
		}
	}
}

// tell writes what there is to say until the connection ends.
func (l *Link) tell(ctx context.Context, conn net.Conn, pings chan struct{}, ended chan error) error {
	beat := time.NewTicker(beatTime)
	defer beat.Stop()
	rest := time.NewTimer(0) // until the next message of the table
	defer rest.Stop()
	resting := true
	var buffer []byte
	for {
		var table bool
		var err error
		if buffer, table, err = l.collect(buffer[:0], time.Now(), !resting); err != nil {
			return err
		}
		if len(buffer) > 0 {
			if _, err := conn.Write(buffer); err != nil {
				return err
			}
		}
		if table && len(buffer) >= batch/2 {
			continue // much waits
		} else if table {
			rest.Reset(pause)
			resting = true
		}
		select {
		case <-l.wake:
		case <-beat.C:
		case <-rest.C:
			resting = false
		case <-pings:
			if _, err := conn.Write([]byte("PONG\r\n")); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect adds to b what is to be said now. table has it take from the table too; taken tells whether it did.
func (l *Link) collect(b []byte, now time.Time, table bool) (all []byte, taken bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out.late(now) {
		return b, false, errors.New("it does not say that it has what it was told")
	}
	if l.say.word != nil {
		b = publish(b, subjectWord, l.say.word)
		l.say.word = nil
	}
	if l.say.told {
		b = publish(b, subjectAck, l.say.ack.append(nil))
		l.say.told = false
	}
	if l.say.note != nil && !l.say.noted {
		b = publish(b, subjectNote, l.say.note)
		l.say.noted = true
	}
	if l.in.waits() && now.Sub(l.say.asked) >= askTime {
		b = publish(b, subjectAsk, place{ask: l.in.asked}.append(nil))
		l.say.asked = now
	}
	if l.say.rests = !table; table {
		l.say.scratch, taken = l.out.next(l.say.scratch[:0], now)
		if taken {
			b = publish(b, subjectTable, l.say.scratch)
			l.say.rests = true
		}
		if cap(l.say.scratch) > 2*batch {
			l.say.scratch = nil
		}
	}
	if now.Sub(l.say.beaten) >= beatTime {
		b = publish(b, subjectBeat, l.out.at().append(nil))
		b = append(b, "PING\r\n"...)
		l.say.beaten = now
	}
	return b, taken, nil
}

func publish(b []byte, subject string, message []byte) []byte {
	b = append(b, "PUB "...)
	b = append(b, subject...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(message)), 10)
	b = append(b, "\r\n"...)
	b = append(b, message...)
	return append(b, "\r\n"...)
}

// Say tells the other box a word. One that was not told yet is told no more.
func (l *Link) Say(w pair.Word) {
	text, err := json.Marshal(w)
	if err != nil || len(text) > maxWord {
		l.o.Log.Error("a word to the other box cannot be said", "octets", len(text), "error", err)
		return
	}
	l.mu.Lock()
	l.say.word = text
	l.mu.Unlock()
	signal(l.wake)
}

// parseWord reads a word of the other box. Its texts are printable, and it has no more of anything than a box can have.
func parseWord(text []byte, box uint8) (w pair.Word, err error) {
	if len(text) > maxWord {
		return w, errors.New("a word of too many octets")
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return w, errors.New("a word that is none")
	}
	const most = 64 // ports, sums
	switch {
	case w.Box != box:
		return w, fmt.Errorf("a word of box %d", w.Box)
	case len(w.Ports) > most || len(w.Sums) > most:
		return w, errors.New("a word of too many parts")
	}
	w.Serial, w.Release, w.Refuses = printable.Short(w.Serial, 64), printable.Short(w.Release, 64), printable.Text(w.Refuses)
	for n := range w.Ports {
		w.Ports[n].Name = printable.Short(w.Ports[n].Name, 64)
	}
	sums := w.Sums
	w.Sums = nil
	for what, sum := range sums {
		if w.Sums == nil {
			w.Sums = map[string]string{}
		}
		w.Sums[printable.Short(what, 64)] = printable.Short(sum, 128)
	}
	return w, nil
}
