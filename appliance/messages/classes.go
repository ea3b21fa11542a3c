package messages

import (
	"bytes"

	"viaduct/appliance/siptransport"
)

// class decides how soon a dialog is shed.
type class uint8

const (
	stray      class = iota // no call has taken the INVITE
	ended                   // the call is over
	lastFailed              // it is over, and failed
	live                    // the call is in progress
	emptied                 // likewise, and its messages were shed
	classes
)

// dialog is what is kept under one Call-ID.
type dialog struct {
	hash       uint64 // of the Call-ID: with a seed that nobody knows, no two are the same
	ended      int64  // which call of all that have ended it was
	chain      int32  // the next dialog of the bucket
	prev, next int32  // of the class; next of an idle one
	of         int32  // of a call that has ended: its first dialog, which stands in the list of the class for all
	mate       int32  // the call's next dialog
	first      int32  // message
	last       int32
	opening    int32 // the last message of the beginning, which stays
	count      int32 // messages
	blocks     int32
	shed       int32 // messages that there were besides
	class      class
	ours       bool // we began it: it is of a call
	answered   bool // there was a 2xx to an INVITE
}

// list is the dialogs of a class, the oldest first.
type list struct {
	head, tail int32
	length     int // calls, or dialogs of none
	blocks     int
}

func (s *Store) bucket(hash uint64) *int32 { return &s.buckets[hash&uint64(len(s.buckets)-1)] }

func (s *Store) find(hash uint64) int32 {
	d := *s.bucket(hash)
	for d != none && s.dialogs[d].hash != hash {
		d = s.dialogs[d].chain
	}
	return d
}

// begin makes a dialog of an INVITE. Those that we send are of calls.
func (s *Store) begin(hash uint64, sent bool) int32 {
	for s.idle.left == 0 {
		if d := s.lists[emptied].head; d != none {
			s.drop(d)
		} else {
			s.shedOne()
		}
	}
	d := s.idle.head
	if d == none {
		d = s.idle.fresh
		s.idle.fresh++
	} else {
		s.idle.head = s.dialogs[d].next
	}
	s.idle.left--
	x := &s.dialogs[d]
	b := s.bucket(hash)
	*x = dialog{hash: hash, chain: *b, of: none, mate: none, first: none, last: none, opening: none}
	*b = d
	if x.ours = sent; sent {
		x.class = live
	}
	s.give(d)
	return d
}

// add appends a message, for which there is room.
func (s *Store) add(d int32, e *siptransport.TraceEntry, whole, kept []byte) {
	x := &s.dialogs[d]
	if x.class == emptied {
		s.move(d, live)
	}
	i := s.unused.head
	if i == none {
		i = s.unused.fresh
		s.unused.fresh++
	} else {
		s.unused.head = s.messages[i].next
	}
	s.unused.left--
	m := &s.messages[i]
	s.heard++
	*m = message{
		at: e.Time.UnixNano(), number: s.heard, next: none, first: none, size: int32(len(whole)), kept: int32(len(kept)), original: none, order: x.count + x.shed,
		local: endpointOf(e.Local), remote: endpointOf(e.Remote), transport: uint8(e.Transport), sent: e.Sent,
	}
	if m.original = s.original(x, m, kept); m.original == none {
		m.first = s.texts.put(kept)
		s.count(x, blocksFor(len(kept)))
	}
	if x.last == none {
		x.first = i
	} else {
		s.messages[x.last].next = i
	}
	x.last = i
	if x.count++; int(m.order) < s.opening {
		x.opening = i
	}
	for int(x.count) > s.longest || int(x.blocks) > s.widest {
		if !s.dropMiddle(x) {
			return
		}
	}
}

// original is the place of the message that this one repeats: the same octets, the same way.
func (s *Store) original(x *dialog, m *message, text []byte) int32 {
	for i := x.first; i != none; i = s.messages[i].next {
		o := &s.messages[i]
		if o.original == none && o.size == m.size && o.sent == m.sent && o.remote == m.remote && o.local == m.local && s.texts.same(o.first, text) {
			return o.order
		}
	}
	return none
}

// dropMiddle frees the oldest message behind the beginning of a dialog, but not the last.
func (s *Store) dropMiddle(x *dialog) bool {
	from := &x.first
	if x.opening != none {
		from = &s.messages[x.opening].next
	}
	i := *from
	if i == none || i == x.last {
		return false
	}
	*from = s.messages[i].next
	s.free(x, i)
	x.shed++
	return true
}

// free gives a message of a dialog and its text back.
func (s *Store) free(x *dialog, i int32) {
	if m := &s.messages[i]; m.original == none {
		s.count(x, -blocksFor(int(m.kept)))
	}
	s.release(i)
	x.count--
}

func (s *Store) release(i int32) {
	m := &s.messages[i]
	if m.original == none {
		s.texts.drop(m.first)
	}
	m.next, s.unused.head = s.unused.head, i
	s.unused.left++
}

func (s *Store) count(x *dialog, blocks int) {
	x.blocks += int32(blocks)
	s.lists[x.class].blocks += blocks
}

// judge takes what a message says about the state of a dialog that no call has told the end of yet.
func (s *Store) judge(d int32, sum summary) {
	x := &s.dialogs[d]
	if x.of != none || sum.code != 0 && string(sum.method) != "INVITE" {
		return
	}
	switch {
	case sum.code >= 200 && sum.code < 300:
		x.answered = true
	case sum.code >= 300 && sum.code != 401 && sum.code != 407 && !x.answered && x.class == live:
		if x.ours {
			s.move(d, ended)
		} else {
			s.move(d, stray) // if it was a call, its end will say so
		}
	case sum.code == 0 && x.class == live && bytes.Equal(sum.method, []byte("BYE")):
		s.move(d, ended)
	}
}

// take removes a dialog from the list of its class, give appends it to that.
func (s *Store) take(d int32) {
	x := &s.dialogs[d]
	l := &s.lists[x.class]
	if x.prev == none {
		l.head = x.next
	} else {
		s.dialogs[x.prev].next = x.next
	}
	if x.next == none {
		l.tail = x.prev
	} else {
		s.dialogs[x.next].prev = x.prev
	}
	l.length--
	l.blocks -= int(x.blocks)
}

func (s *Store) give(d int32) {
	x := &s.dialogs[d]
	l := &s.lists[x.class]
	if x.prev, x.next = l.tail, none; l.tail == none {
		l.head = d
	} else {
		s.dialogs[l.tail].next = d
	}
	l.tail = d
	l.length++
	l.blocks += int(x.blocks)
	if x.class == ended || x.class == lastFailed {
		s.ends++
		x.ended = s.ends
	}
}

// move puts a dialog into another class, as its youngest.
func (s *Store) move(d int32, to class) {
	s.take(d)
	s.dialogs[d].class = to
	s.give(d)
}
