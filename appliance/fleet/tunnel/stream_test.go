package tunnel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// said is what the other side of a stream says, one after the other.
type said struct{ next uint64 }

func (o *said) frame(f frame) []byte {
	f.sequence = o.next
	o.next++
	return f.append(nil)
}

func TestWhatBreaksAConnection(t *testing.T) {
	hello := frame{kind: kindHello, number: window}
	some := frame{kind: kindData, data: make([]byte, maxData)}
	for what, x := range map[string]struct {
		does func(s *stream, o *said) // after the hello
		want error
		told bool // the other side
	}{
		"a lost message":     {func(s *stream, o *said) { o.next++; s.receive(o.frame(some), began) }, errLost, true},
		"a repeated message": {func(s *stream, o *said) { s.receive(o.frame(some), began); o.next--; s.receive(o.frame(some), began) }, errLost, true},
		"a second hello":     {func(s *stream, o *said) { s.receive(o.frame(hello), began) }, errRule, true},
		"noise":              {func(s *stream, o *said) { s.receive([]byte("noise"), began) }, errFrame, true},
		"a second end": {func(s *stream, o *said) {
			s.receive(o.frame(frame{kind: kindEnd}), began)
			s.receive(o.frame(frame{kind: kindEnd}), began)
		}, errRule, true},
		"data after the end": {func(s *stream, o *said) {
			s.receive(o.frame(frame{kind: kindEnd}), began)
			s.receive(o.frame(some), began)
		}, errRule, true},
		"credit without a need": {func(s *stream, o *said) { s.receive(o.frame(frame{kind: kindCredit, number: 1}), began) }, errRule, true},
		"more data than the window": {func(s *stream, o *said) {
			for range window/(maxData+frameCost) + 1 {
				s.receive(o.frame(some), began)
			}
		}, errRule, true},
		"many small data": {func(s *stream, o *said) {
			for range window/(1+frameCost) + 1 {
				s.receive(o.frame(frame{kind: kindData, data: []byte{1}}), began)
			}
		}, errRule, true},
		"silence": {func(s *stream, o *said) {
			if err := s.expired(began.Add(silence - 1)); err != nil {
				t.Errorf("broken before its time: %v", err)
			}
			s.fail(s.expired(began.Add(silence)), began.Add(silence))
		}, errSilent, true},
		"a reset": {func(s *stream, o *said) {
			s.receive(frame{kind: kindReset, sequence: 99, why: "gone"}.append(nil), began)
		}, resetError("gone"), false},
	} {
		t.Run(what, func(t *testing.T) {
			s, o := newStream(began), &said{}
			s.hello(began)
			s.receive(o.frame(hello), began)
			if s.state != open {
				t.Fatalf("%v after the hello: %v", s.state, s.why)
			}
			next := s.next
			x.does(s, o)
			if s.state != broken || !errors.Is(s.why, x.want) {
				t.Errorf("%v, %v", s.state, s.why)
			}
			if told := s.next > next; told != x.told {
				t.Errorf("the other side is told: %v", told)
			}
			if data, _, refusal := s.receive(o.frame(some), began); data != nil || refusal != nil {
				t.Error("something comes out of a broken connection")
			}
		})
	}
}

func TestTheHelloComesFirst(t *testing.T) {
	for _, first := range []frame{{kind: kindData, data: []byte("a")}, {kind: kindAlive}, {kind: kindEnd}, {kind: kindHello, number: minWindow - 1}, {kind: kindHello, number: maxWindow + 1}} {
		s := newStream(began)
		if s.receive(first.append(nil), began); s.state != broken {
			t.Errorf("%+v first: %v", first, s.state)
		}
	}
	s := newStream(began)
	if s.room() != 0 {
		t.Error("data may be sent before the hello of the other side")
	}
	if err := s.expired(began.Add(openTime)); !errors.Is(err, errNoHello) {
		t.Errorf("without a hello: %v", err)
	}
}

func TestBothDirectionsEndByThemselves(t *testing.T) {
	for _, x := range []struct {
		events string
		want   []state
	}{
		{"ours theirs", []state{receiving, closed}},
		{"theirs ours", []state{sending, closed}},
	} {
		s, o := newStream(began), &said{}
		s.hello(began)
		s.receive(o.frame(frame{kind: kindHello, number: window}), began)
		for i, event := range strings.Fields(x.events) {
			if event == "ours" {
				s.end(began)
			} else {
				s.receive(o.frame(frame{kind: kindEnd}), began)
			}
			if s.state != x.want[i] {
				t.Errorf("%s: %v at %d", x.events, s.state, i)
			}
			if may := s.room() > 0; may != (s.state == sending) {
				t.Errorf("%s: in state %v data may be sent: %v", x.events, s.state, may)
			}
		}
		if s.alive(began.Add(time.Hour)) != nil || s.expired(began.Add(time.Hour)) != nil || s.fail(errSilent, began) != nil {
			t.Errorf("%s: a closed connection goes on", x.events)
		}
	}
}

func TestTheWindowComesBack(t *testing.T) {
	a, b := newStream(began), newStream(began)
	b.receive(a.hello(began), began)
	a.receive(b.hello(began), began)
	sent := 0
	buffer := make([]byte, headSize+maxData)
	for range 1000 {
		costs := 0
		for n := a.room(); n > 0; n = a.room() {
			a.data(buffer[:headSize+n], began)
			data, cost, _ := b.receive(buffer[:headSize+n], began)
			if len(data) != n {
				t.Fatalf("%d octets of %d come: %v", len(data), n, b.why)
			}
			sent += n
			costs += cost
		}
		if credit := b.consumed(costs, began); credit == nil {
			t.Fatalf("nothing comes back after %d octets", sent)
		} else if a.receive(credit, began); a.state != open {
			t.Fatal(a.why)
		}
	}
	if sent < 1000*window/2 {
		t.Errorf("only %d octets under way at once", sent/1000)
	}
}

func TestAConnectionIsKeptAlive(t *testing.T) {
	a, b := newStream(began), newStream(began)
	b.receive(a.hello(began), began)
	a.receive(b.hello(began), began)
	frames := 0
	for now := began; now.Before(began.Add(time.Hour)); now = now.Add(tickEvery) {
		for _, x := range [][2]*stream{{a, b}, {b, a}} {
			if err := x[0].expired(now); err != nil {
				t.Fatal(err)
			}
			if f := x[0].alive(now); f != nil {
				frames++
				x[1].receive(f, now)
			}
		}
	}
	if a.state != open || b.state != open || frames != 2*int(time.Hour/aliveEvery-1) {
		t.Errorf("%v, %v after %d frames", a.state, b.state, frames)
	}
}

func TestStatesHaveNames(t *testing.T) {
	if got := fmt.Sprint(opening, open, sending, receiving, closed, broken); got != "opening open sending receiving closed broken" {
		t.Error(got)
	}
}
