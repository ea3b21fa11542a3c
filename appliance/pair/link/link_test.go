package link

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/pair"
)

// box is one of two in a test.
type box struct {
	*Link
	t       testing.TB
	s       Settings
	words   chan pair.Word
	changed chan struct{}
	health  *health.Tracker
	stop    func()
}

// twoBoxes makes them, on addresses of their own of the loopback device. They run when start is called.
func twoBoxes(t testing.TB) (one, two *box) {
	t.Helper()
	boxes := []*box{{}, {}}
	for n := range boxes {
		key, err := EnsureKey(filepath.Join(t.TempDir(), "pair", "key.pem"))
		must(t, err)
		b := &box{t: t, words: make(chan pair.Word, 100), changed: make(chan struct{}, 1), health: &health.Tracker{}}
		b.Link = New(Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Health: b.health, Changed: func() { signal(b.changed) }, Heard: func(w pair.Word) {
			select {
			case b.words <- w:
			default:
			}
		}})
		b.s = Settings{Box: uint8(n + 1), Key: key, Own: free(t, netip.AddrFrom4([4]byte{127, 0, 7, byte(n + 1)}))}
		boxes[n] = b
	}
	one, two = boxes[0], boxes[1]
	one.s.Pin, one.s.Other = two.s.Key.Hash(), two.s.Own
	two.s.Pin, two.s.Other = one.s.Key.Hash(), one.s.Own
	return one, two
}

// start runs a box.
func (b *box) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	b.Apply(b.s)
	running.Go(func() { _ = b.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	b.t.Cleanup(b.stop)
}

// until waits until the box is as it should be.
func (b *box) until(what string, is func(State) bool) {
	b.t.Helper()
	end := time.After(20 * time.Second)
	for !is(b.State()) {
		select {
		case <-b.changed:
		case <-time.After(20 * time.Millisecond):
		case <-end:
			b.t.Fatalf("box %d: never %s: %+v", b.s.Box, what, b.State())
		}
	}
}

func synced(s State) bool { return s.Synced }
func linked(s State) bool { return s.Linked }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *box) flush() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	must(b.t, b.Flush(ctx))
}

// has compares what the box has kept of a kind.
func (b *box) has(kind pair.Kind, want ...string) {
	b.t.Helper()
	var got []string
	for _, k := range b.Kept(kind) {
		got = append(got, k.ID+"="+string(k.Value))
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("box %d has %q of kind %s, want %q", b.s.Box, got, kind, want)
	}
}

func TestTheStandbyKeepsWhatTheActiveBoxTells(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	two.start()
	one.Sender().Put(pair.Calls, "before", []byte("it is not active"))
	one.Lead()
	one.Sender().Put(pair.Calls, "a", []byte("1"))
	one.Sender().Put(pair.Calls, "b", []byte("1"))
	one.Sender().Put(pair.Files, "a", []byte("file"))
	one.flush()
	two.until("synced", synced)
	one.until("synced", synced)
	two.has(pair.Calls, "a=1", "b=1")
	two.has(pair.Files, "a=file")

	one.Lead() // a switch was called off: it goes on
	one.Sender().Put(pair.Calls, "a", []byte("2"))
	one.Sender().Drop(pair.Calls, "b")
	one.Sender().Drop(pair.Calls, "never was")
	one.Sender().Put(pair.Media, "empty", nil)
	one.flush()
	two.has(pair.Calls, "a=2")
	two.has(pair.Media, "empty=")
	if got := one.State().Replication; fmt.Sprint(got.Entries) != "map[call:1 file:1 media:1]" {
		t.Errorf("the active box counts %v", got.Entries)
	}

	// The active box dies. What the other has stays, also when it leads.
	one.stop()
	two.until("alone", func(s State) bool { return !s.Linked })
	if !two.State().Synced {
		t.Error("the standby does not take over what it has")
	}
	two.Lead()
	two.has(pair.Calls, "a=2")
	two.Sender().Put(pair.Calls, "a", []byte("3"))

	// It comes back, as the standby.
	one.Follow()
	one.start()
	one.until("synced", synced)
	one.has(pair.Calls, "a=3")
	two.has(pair.Calls, "a=2")
	two.Follow()
	two.has(pair.Calls)
}

func TestWords(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	two.start()
	one.until("linked", linked)
	two.until("linked", linked)
	want := pair.Word{Box: 1, Serial: "4711\x1b[2J", Role: pair.Active, Reign: 7, Sums: map[string]string{"configuration": "abc"}, Ports: []pair.PortFitness{{Name: "LAN\n", Carrier: true}}}
	one.Say(want)
	select {
	case w := <-two.words:
		if w.Serial != `4711\x1b[2J` || w.Reign != 7 || w.Role != pair.Active || w.Sums["configuration"] != "abc" || w.Ports[0].Name != `LAN\x0a` {
			t.Errorf("heard %+v", w)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("never heard")
	}
}

func TestWhatIsNotKeptIsAnAlarm(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	two.start()
	one.Lead()
	one.Sender().Put(pair.Files, "template/x", make([]byte, pair.MaxValue+1))
	one.flush()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ; !one.health.Active(health.RedundancyDropped); time.Sleep(10 * time.Millisecond) {
		must(t, context.Cause(ctx))
	}
	one.Sender().Put(pair.Files, "template/x", []byte("small"))
	for ; one.health.Active(health.RedundancyDropped); time.Sleep(10 * time.Millisecond) {
		must(t, context.Cause(ctx))
	}
	if n := one.State().Replication.Refused; n != 1 {
		t.Errorf("%d refused", n)
	}
}

func TestNotesArriveWhoeverIsActiveAndAfterABreak(t *testing.T) {
	one, two := twoBoxes(t)
	notes := make(chan string, 10)
	one.o.Noted = func(note []byte) { notes <- string(note) }
	want := func(text string) {
		t.Helper()
		select {
		case got := <-notes:
			if got != text {
				t.Errorf("%q, want %q", got, text)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q never arrives", text)
		}
	}
	two.Tell([]byte("a"))
	one.start()
	two.start()
	want("a")
	two.Tell([]byte("a"))
	two.Tell(nil)
	want("")
	two.Tell([]byte("b"))
	want("b")
	one.stop()
	two.until("alone", func(s State) bool { return !s.Linked })
	one.start()
	want("b")
}

// free is a port of an address that nobody has. It is none of those that the kernel gives to connections: one that has just ended would keep its own for
// a minute.
func free(t testing.TB, address netip.Addr) netip.AddrPort {
	t.Helper()
	for range 100 {
		at := netip.AddrPortFrom(address, uint16(10_000+rand.IntN(20_000)))
		if l, err := net.Listen("tcp", at.String()); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatalf("no port is free at %s", address)
	return netip.AddrPort{}
}
