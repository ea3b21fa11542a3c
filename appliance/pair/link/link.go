// Package link is the path between the two boxes of a pair: what they say of themselves, and the table of what the active one has the other keep.
//
// It owns the box's key of the pair, the door at which the other box, and nobody else, comes in (TLS 1.3, both sides known by their keys), the embedded
// server of NATS behind it, and both ends of the table. It does not own who is active (package duty, which says Lead and Follow), nor what the entries
// mean.
//
// Each box has an engine of its own, which it hears itself, and to which it lets the other one connect as a client that may publish. So what a box says is
// on its connection to the other's engine, and what it hears comes from its own. The engine has no socket.
//
// The table goes as a stream: all that there is, and from then on every change. The standby asks for it, and asks anew when a message is missing, when the
// connection was another one, and when the active box says that it has come further than what arrived. The active box sends no more than a window without
// being told that it is there, and keeps nothing but the newest value of each entry.
//
// Goroutines: Run, and while there are settings four more: the door, the connection to the other box, its reader, and the reader of the own engine, plus
// those of nats-server and two for a connection that came in. Run waits for all. Without settings there is no engine, no socket and no work.
package link

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

// Port is where the boxes of a pair listen for each other, over TCP, at their own addresses of the direct path.
const Port = 4223

// Options are what a Link is given for good.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	// Heard is told every word of the other box. It is called by the goroutine that reads, so it must be quick.
	Heard func(pair.Word)
	// Changed is told that State is another one, or that there are other entries of kind Files. It must be quick, and may be called from anywhere.
	Changed func()
	// Noted is told the newest note of the other box; see Tell. It must be quick, and must not keep the note.
	Noted func(note []byte)
}

// Settings are who the other box is. The zero value is no pair.
type Settings struct {
	Box   uint8          // this box's number, 1 or 2
	Key   *Key           // this box's
	Pin   string         // the SHA-256 of the other box's key
	Own   netip.AddrPort // this box's own address of the direct path
	Other netip.AddrPort // the other's
}

// SettingsOf finds them in a configuration. They are zero when there is no pair, when it is not complete, or when the box is neither of the two.
func SettingsOf(c *config.Config, k *Key) Settings {
	r := c.Pair()
	if r == nil || k == nil {
		return Settings{}
	}
	box := r.Box(k.Hash())
	if box == 0 {
		return Settings{}
	}
	other, path := 3-box, r.DirectPath()
	return Settings{Box: box, Key: k, Pin: r.Key(other), Own: netip.AddrPortFrom(path.Own(box).Addr(), Port), Other: netip.AddrPortFrom(path.Own(other).Addr(), Port)}
}

// State is how the path and the table stand.
type State struct {
	Linked bool   // both directions are there
	Why    string // it is not, as the end of a sentence
	// Synced: as the standby, the box has all that the active one has told; that is so, too, after the path to it has broken. As the active box, the standby
	// has all that it was told, save for what is on its way.
	Synced      bool
	Replication status.PairReplication
}

// Link is the path. Its methods may be called from any goroutine.
type Link struct {
	o     Options
	nudge chan struct{} // one token: other settings
	wake  chan struct{} // one token: there is something to send

	mu       sync.Mutex // protects the following
	settings Settings
	cancel   context.CancelFunc // of what runs with the settings
	out      outbox
	in       shelf
	say      sayings
	way      way
	moved    chan struct{} // closed when the standby has more than before
	shown    State         // of which Changed was told
}

// sayings are what is to be said besides the table. Of each only the newest.
type sayings struct {
	word   []byte // JSON; nil: it is said
	note   []byte
	noted  bool // note is said
	ack    place
	told   bool // ack is to be said
	asked  time.Time
	beaten time.Time

	rests   bool // nothing is taken from the table for a moment: what changes need wake nobody
	scratch []byte
}

// way is how the two directions stand.
type way struct {
	out, in bool
	whyOut  string // there is no connection to the other box
	whyIn   string // nobody can come in
	turned  string // who came was not let in
	last    time.Time
}

// New makes a Link that is connected to nothing, of a box that follows: Apply says to what, and Run does it.
func New(o Options) *Link {
	l := &Link{o: o, nudge: make(chan struct{}, 1), wake: make(chan struct{}, 1), moved: make(chan struct{}), cancel: func() {}}
	l.in.follow()
	return l
}

// Apply takes settings. Others than before end both connections; the table stays.
func (l *Link) Apply(s Settings) {
	l.mu.Lock()
	same := s == l.settings
	l.settings = s
	if !same {
		l.cancel()
	}
	l.mu.Unlock()
	if !same {
		signal(l.nudge)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Lead has the other box keep what Sender is told from now on: this box is active. What it has kept itself stays until Follow. A box that leads already
// goes on with its table.
func (l *Link) Lead() {
	l.mu.Lock()
	l.in.stay()
	if !l.out.leads {
		l.out.lead()
	}
	l.say.beaten = time.Time{}
	l.mu.Unlock()
	signal(l.wake)
	l.look()
}

// Follow has this box keep what the other one tells. What it has kept before is forgotten, and Sender does nothing.
func (l *Link) Follow() {
	l.mu.Lock()
	l.out.rest()
	l.in.follow()
	l.say.beaten, l.say.asked = time.Time{}, time.Time{}
	l.mu.Unlock()
	signal(l.wake)
	l.look()
}

// Sender is where the engines of the box put what the other one is to keep.
func (l *Link) Sender() pair.Sender { return sender{l} }

type sender struct{ l *Link }

func (s sender) Put(kind pair.Kind, id string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	s.l.store(change{kind: kind, id: id, value: value})
}

func (s sender) Drop(kind pair.Kind, id string) { s.l.store(change{kind: kind, id: id}) }

func (l *Link) store(c change) {
	l.mu.Lock()
	l.out.store(c)
	streams := l.out.ask != 0 && !l.say.rests
	l.mu.Unlock()
	if streams {
		signal(l.wake)
	}
}

// Kept is what the box has kept of a kind, by ID. Values must not be changed.
func (l *Link) Kept(kind pair.Kind) []pair.Kept {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.in.list(kind)
}

// Leads tells whether the box is active, by a number that is another one for each time; 0: it is not.
func (l *Link) Leads() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.epoch
}

// Complete reports whether the box, as the standby, has all that the active one has told: it is Synced of State.
func (l *Link) Complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.out.leads && l.in.whole
}

// Tell has the other box know something, whoever is active: at once and each time that the path is there anew. Only the newest counts. What is longer than
// an entry of the table is not told.
func (l *Link) Tell(note []byte) {
	if len(note) > pair.MaxValue {
		l.o.Log.Error("a note to the other box is too long", "octets", len(note))
		return
	}
	l.mu.Lock()
	same := l.say.note != nil && bytes.Equal(note, l.say.note)
	if !same {
		l.say.note, l.say.noted = append([]byte{}, note...), false
	}
	l.mu.Unlock()
	if !same {
		signal(l.wake)
	}
}

// Flush waits until the standby has all that was put so far.
func (l *Link) Flush(ctx context.Context) error {
	l.mu.Lock()
	target := l.out.put
	for {
		leads, there, next := l.out.leads, l.out.has(target), l.moved
		l.mu.Unlock()
		if there {
			return nil
		}
		if !leads {
			return errors.New("the box is not active, and has nothing to tell")
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		l.mu.Lock()
	}
}

// State is how the path and the table stand now.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stand()
	counts := map[pair.Kind]int{}
	if l.out.leads {
		st.Replication = status.PairReplication{Octets: l.out.octets, Refused: l.out.refused, Last: l.way.last}
		counts = l.out.counts
	} else {
		st.Replication = status.PairReplication{Octets: l.in.octets, Refused: l.in.refused, Last: l.in.last}
		for kind, of := range l.in.entries {
			counts[kind] = len(of)
		}
	}
	st.Replication.Synced, st.Replication.Entries = st.Synced, map[string]int{}
	for kind, n := range counts {
		if n > 0 {
			st.Replication.Entries[string(kind)] = n
		}
	}
	return st
}

// stand is State without figures. The lock is held.
func (l *Link) stand() State {
	st := State{Linked: l.way.out && l.way.in, Why: l.way.why(l.settings != Settings{}), Synced: l.in.whole}
	if l.out.leads {
		st.Synced = st.Linked && l.out.synced(time.Now())
	}
	return st
}

// why says what is wrong with the path, as the end of a sentence.
func (w *way) why(on bool) string {
	switch {
	case !on:
		return "the pair is not complete"
	case w.out && w.in:
		return ""
	case !w.in && w.whyIn != "":
		return "this box cannot listen on the direct path: " + w.whyIn
	case !w.out && w.whyOut != "":
		return "the other box is not reached on the direct path: " + w.whyOut
	case !w.in && w.turned != "":
		return "the other box was turned away: " + w.turned
	case !w.in:
		return "the other box does not connect"
	}
	return "the other box is not reached yet"
}

// look tells Changed when the state is another one.
func (l *Link) look() {
	l.mu.Lock()
	now := l.stand()
	changed := now.Linked != l.shown.Linked || now.Synced != l.shown.Synced || now.Why != l.shown.Why
	l.shown = now
	l.mu.Unlock()
	if changed && l.o.Changed != nil {
		l.o.Changed()
	}
}
