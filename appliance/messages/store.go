package messages

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/siptransport"
)

// limits are the sizes of a store. With those of New it takes 16 MiB in all.
type limits struct {
	blocks   int // of text
	messages int
	dialogs  int
	calls    int // that are over
	failed   int // of them, failed ones that are kept longest
	longest  int // messages of one dialog
	widest   int // blocks of one dialog
	opening  int // messages at the beginning of a dialog that stay when it has too many: the middle goes
	message  int // octets of a message that are kept
}

var sizes = limits{
	blocks: 105_500, messages: 24_576, dialogs: 8192, calls: 1000, failed: 200, longest: 128, widest: 1024, opening: 16, message: 16 << 10,
}

// Store keeps messages.
type Store struct {
	limits
	seed maphash.Seed

	mu       sync.Mutex
	texts    texts
	messages []message
	unused   places // messages
	dialogs  []dialog
	idle     places  // dialogs
	buckets  []int32 // the first dialog of each hash
	lists    [classes]list
	ends     int64 // calls that have ended
	heard    int64 // messages
}

// Message is a message that is kept.
type Message struct {
	At            time.Time
	Number        int64 // in the order of all messages: a clock may be set back
	Sent          bool
	Again         bool // it repeats an earlier one of the dialog
	Transport     siptransport.Transport
	Local, Remote netip.AddrPort
	Size          int    // octets on the wire; Text has no more than are kept
	Text          []byte // with all its secrets; none for a repetition of a message that was shed
}

// Dialog is what is kept under a Call-ID.
type Dialog struct {
	Messages []Message
	Shed     int // messages that there were besides
}

// New returns an empty store.
func New() *Store { return newStore(sizes) }

func newStore(l limits) *Store {
	buckets := 1
	for buckets < 2*l.dialogs {
		buckets *= 2
	}
	s := &Store{limits: l, seed: maphash.MakeSeed(), unused: newPlaces(l.messages), idle: newPlaces(l.dialogs)}
	m := newMemory(s, sizeOf[message](l.messages)+sizeOf[dialog](l.dialogs)+sizeOf[int32](buckets)+sizeOf[int32](l.blocks)+sizeOf[byte](l.blocks*blockSize))
	s.messages, s.dialogs, s.buckets = array[message](&m, l.messages), array[dialog](&m, l.dialogs), array[int32](&m, buckets)
	s.texts = texts{next: array[int32](&m, l.blocks), data: array[byte](&m, l.blocks*blockSize), free: newPlaces(l.blocks)}
	for i := range s.buckets {
		s.buckets[i] = none
	}
	for i := range s.lists {
		s.lists[i].head, s.lists[i].tail = none, none
	}
	return s
}

// Trace keeps a message of a dialog of INVITE: siptransport.Options.Trace.
func (s *Store) Trace(e siptransport.TraceEntry) {
	if e.Dropped != "" {
		return
	}
	m := e.Message
	for len(m) > 0 && (m[0] == '\r' || m[0] == '\n') {
		m = m[1:]
	}
	sum := scan(m)
	if len(sum.callID) == 0 {
		return
	}
	hash := maphash.Bytes(s.seed, sum.callID)
	invite := sum.code == 0 && string(sum.method) == "INVITE"
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.find(hash)
	if d == none && !invite {
		return
	}
	kept := m[:min(len(m), s.message)]
	if s.makeRoom(blocksFor(len(kept))) {
		if d = s.find(hash); d == none && !invite {
			return // that cost the dialog
		}
	}
	if d == none {
		d = s.begin(hash, e.Sent)
	}
	s.add(d, &e, m, kept)
	s.judge(d, sum)
}

// Began tells that the INVITE with a Call-ID has become a call.
func (s *Store) Began(callID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.find(s.hash(callID)); d != none && s.dialogs[d].class == stray {
		s.move(d, live)
	}
}

// Ended tells that a call with these dialogs is over. Empty words are ignored.
func (s *Store) Ended(failed bool, callIDs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	into := ended
	if failed {
		into = lastFailed
	}
	first := none
	for _, id := range callIDs {
		d := s.find(s.hash(id))
		if id == "" || d == none || s.dialogs[d].of != none {
			continue
		}
		x := &s.dialogs[d]
		if first == none {
			s.move(d, into)
			first, x.of = d, d
			continue
		}
		s.take(d)
		x.class, x.of, x.mate = into, first, s.dialogs[first].mate
		s.lists[into].blocks += int(x.blocks)
		s.dialogs[first].mate = d
	}
	for s.lists[ended].length+s.lists[lastFailed].length > s.calls {
		s.drop(s.oldest())
	}
}

// Dialog returns what is kept under a Call-ID, in the order in which it came; false for nothing at all.
func (s *Store) Dialog(callID string) (Dialog, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(s.hash(callID))
	if i == none {
		return Dialog{}, false
	}
	d := &s.dialogs[i]
	r := Dialog{Messages: make([]Message, 0, d.count), Shed: int(d.shed)}
	at := map[int32]int{} // places in the order of the dialog
	for i := d.first; i != none; i = s.messages[i].next {
		m := &s.messages[i]
		x := Message{
			At: time.Unix(0, m.at), Number: m.number, Sent: m.sent, Again: m.original != none, Transport: siptransport.Transport(m.transport),
			Local: m.local.addrPort(), Remote: m.remote.addrPort(), Size: int(m.size),
		}
		if n, known := at[m.original]; known {
			x.Text = r.Messages[n].Text
		} else if m.original == none {
			x.Text = s.texts.get(m.first, int(m.kept))
		}
		at[m.order] = len(r.Messages)
		r.Messages = append(r.Messages, x)
	}
	return r, true
}

func (s *Store) hash(callID string) uint64 { return maphash.String(s.seed, callID) }
