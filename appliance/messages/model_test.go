package messages

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"viaduct/appliance/siptransport"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("[2001:db8::7]:5070")
)

// text is a message with a Call-ID, padded to a size.
func text(start, cseq, callID string, size int) []byte {
	head := start + "\r\nVia: SIP/2.0/UDP h\r\nCSeq: " + cseq + "\r\nCall-ID: " + callID + "\r\nX: "
	return []byte(head + strings.Repeat("x", max(0, size-len(head)-4)) + "\r\n\r\n")
}

func entry(sent bool, m []byte) siptransport.TraceEntry {
	return siptransport.TraceEntry{Time: time.Unix(1, 2), Transport: siptransport.UDP, Sent: sent, Local: here, Remote: there, Message: m}
}

// model does what a Store does, with lists that are searched from the beginning and sums that are made anew each time.
type model struct {
	limits
	dialogs []*plain // in the order in which they came into their class
	ends    int
}

type plain struct {
	id             string
	class          class
	ours, answered bool
	shed           int
	messages       []plainMessage
	call           *int // of a call that has ended
	at             int  // which of all that have ended
}

type plainMessage struct {
	text  string
	sent  bool
	size  int
	order int
	of    int // the order of the one that it repeats, -1
}

func (d *plain) blocks() (n int) {
	for _, m := range d.messages {
		if m.of < 0 {
			n += (len(m.text) + blockSize - 1) / blockSize
		}
	}
	return n
}

func (o *model) find(id string) *plain {
	for _, d := range o.dialogs {
		if d.id == id {
			return d
		}
	}
	return nil
}

// of sums a class up: calls, blocks, and the first dialog.
func (o *model) of(c class) (calls, blocks int, first *plain) {
	seen := map[*int]bool{}
	for _, d := range o.dialogs {
		if d.class != c {
			continue
		}
		blocks += d.blocks()
		if d.call == nil || !seen[d.call] {
			calls++
		}
		if d.call != nil {
			seen[d.call] = true
		}
		if first == nil {
			first = d
		}
	}
	return calls, blocks, first
}

func (o *model) used() (blocks, messages int) {
	for _, d := range o.dialogs {
		blocks += d.blocks()
		messages += len(d.messages)
	}
	return blocks, messages
}

func (o *model) move(d *plain, c class) {
	o.dialogs = slices.DeleteFunc(o.dialogs, func(x *plain) bool { return x == d })
	o.dialogs = append(o.dialogs, d)
	if d.class = c; c == ended || c == lastFailed {
		o.ends++
		d.at = o.ends
	}
}

func (o *model) drop(d *plain) {
	o.dialogs = slices.DeleteFunc(o.dialogs, func(x *plain) bool { return x == d || d.call != nil && x.call == d.call })
}

func (o *model) oldest() *plain {
	_, _, d := o.of(ended)
	calls, blocks, failed := o.of(lastFailed)
	if (calls > o.failed || blocks > o.blocks/2) && (d == nil || failed.at < d.at) {
		return failed
	}
	return d
}

func (o *model) shedOne() {
	if d := o.oldest(); d != nil {
		o.drop(d)
	} else if _, _, d := o.of(stray); d != nil {
		o.drop(d)
	} else if _, _, d := o.of(live); d != nil {
		d.shed += len(d.messages)
		d.messages = nil
		o.move(d, emptied)
	} else {
		_, _, d := o.of(lastFailed)
		o.drop(d)
	}
}

func (o *model) trace(sent bool, id, method string, code int, text string, size int) {
	if o.find(id) == nil && (code > 0 || method != "INVITE") {
		return
	}
	need := blocksFor(len(text))
	for {
		calls, blocks, first := o.of(stray)
		if !(blocks+need > o.limits.blocks/8 && calls > 0) && calls < max(1, o.limits.dialogs/8) {
			break
		}
		o.drop(first)
	}
	for {
		if blocks, messages := o.used(); blocks+need <= o.limits.blocks && messages < o.limits.messages {
			break
		}
		o.shedOne()
	}
	d := o.find(id)
	if d == nil && (code > 0 || method != "INVITE") {
		return
	}
	if d == nil {
		for len(o.dialogs) == o.limits.dialogs {
			if _, _, e := o.of(emptied); e != nil {
				o.drop(e)
			} else {
				o.shedOne()
			}
		}
		d = &plain{id: id, ours: sent}
		if sent {
			d.class = live
		}
		o.move(d, d.class)
	}
	if d.class == emptied {
		o.move(d, live)
	}
	m := plainMessage{text: text, sent: sent, size: size, order: len(d.messages) + d.shed, of: -1}
	for _, x := range d.messages {
		if x.of < 0 && x.text == text && x.sent == sent && x.size == size {
			m.of = x.order
			break
		}
	}
	d.messages = append(d.messages, m)
	for len(d.messages) > o.longest || d.blocks() > o.widest {
		middle := slices.IndexFunc(d.messages, func(m plainMessage) bool { return m.order >= o.opening })
		if middle < 0 || middle == len(d.messages)-1 {
			break
		}
		d.messages = slices.Delete(d.messages, middle, middle+1)
		d.shed++
	}
	if d.call != nil || method != "INVITE" && code > 0 {
		return
	}
	switch {
	case code/100 == 2:
		d.answered = true
	case code >= 300 && code != 401 && code != 407 && !d.answered && d.class == live && d.ours:
		o.move(d, ended)
	case code >= 300 && code != 401 && code != 407 && !d.answered && d.class == live:
		o.move(d, stray)
	case method == "BYE" && d.class == live:
		o.move(d, ended)
	}
}

func (o *model) end(failed bool, ids []string) {
	c := ended
	if failed {
		c = lastFailed
	}
	var call *int
	at := 0
	for _, id := range ids {
		d := o.find(id)
		if d == nil || d.call != nil {
			continue
		}
		if call == nil {
			o.move(d, c)
			call, at = new(int), d.at
		} else {
			o.dialogs = slices.DeleteFunc(o.dialogs, func(x *plain) bool { return x == d })
			o.dialogs = append(o.dialogs, d)
			d.class, d.at = c, at
		}
		d.call = call
	}
	for {
		n, _, _ := o.of(ended)
		f, _, _ := o.of(lastFailed)
		if n+f <= o.calls {
			return
		}
		o.drop(o.oldest())
	}
}

// Whatever comes in whatever order, the store holds what plain code would.
func TestStoreDoesWhatPlainCodeDoes(t *testing.T) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 13))
		l := limits{
			blocks: 40 + r.IntN(60), messages: 20 + r.IntN(60), dialogs: 3 + r.IntN(20), calls: 2 + r.IntN(6), failed: 1 + r.IntN(2),
			longest: 3 + r.IntN(12), widest: 6 + r.IntN(30), opening: 1 + r.IntN(4), message: 300 + r.IntN(500),
		}
		s, o := newStore(l), &model{limits: l}
		ids := 4 + r.IntN(30)
		name := func() string { return fmt.Sprintf("call-%d@host", r.IntN(ids)) }
		for step := range 700 {
			id, sent, size := name(), r.IntN(2) == 0, 100+r.IntN(900)
			if r.IntN(2) == 0 {
				size = 130 // one that may come again
			}
			method, code := []string{"INVITE", "INVITE", "INVITE", "BYE", "ACK", "OPTIONS"}[r.IntN(6)], 0
			if r.IntN(2) == 0 {
				code = []int{100, 180, 200, 401, 486, 503}[r.IntN(6)]
			}
			what := fmt.Sprintf("%s %s %d sent %t %d", id, method, code, sent, size)
			switch r.IntN(12) {
			case 0:
				what = "began " + id
				s.Began(id)
				if d := o.find(id); d != nil && d.class == stray {
					o.move(d, live)
				}
			case 1, 2:
				list, failed := []string{id, name(), "", name()}, r.IntN(3) == 0
				what = fmt.Sprintf("ended %q failed %t", list, failed)
				s.Ended(failed, list...)
				o.end(failed, list)
			default:
				start := method + " sip:x SIP/2.0"
				if code > 0 {
					start = fmt.Sprintf("SIP/2.0 %d Reason", code)
				}
				m := text(start, "1 "+method, id, size)
				s.Trace(entry(sent, m))
				o.trace(sent, id, method, code, string(m[:min(len(m), l.message)]), len(m))
			}
			compare(t, s, o, ids, fmt.Sprintf("seed %d step %d: %s", seed, step, what))
			if t.Failed() {
				return
			}
		}
	}
}

func compare(t *testing.T, s *Store, o *model, ids int, where string) {
	t.Helper()
	for n := range ids {
		id := fmt.Sprintf("call-%d@host", n)
		got, known := s.Dialog(id)
		d := o.find(id)
		if known != (d != nil) {
			t.Errorf("%s: %s is kept: %t, want %t", where, id, known, d != nil)
			return
		}
		if d == nil {
			continue
		}
		if got.Shed != d.shed || len(got.Messages) != len(d.messages) {
			t.Errorf("%s: %s has %d messages and has lost %d, want %d and %d", where, id, len(got.Messages), got.Shed, len(d.messages), d.shed)
			return
		}
		for i, m := range got.Messages {
			want := d.messages[i]
			if want.of >= 0 && !slices.ContainsFunc(d.messages, func(x plainMessage) bool { return x.order == want.of }) {
				want.text = ""
			}
			if string(m.Text) != want.text || m.Sent != want.sent || m.Size != want.size || m.Again != (want.of >= 0) || m.Local != here || m.Remote != there {
				t.Errorf("%s: message %d of %s is %+v, want %+v", where, i, id, m, want)
				return
			}
		}
	}
	blocks, messages := o.used()
	free := s.limits.blocks - int(s.texts.free.fresh)
	for i := s.texts.free.head; i != none; i = s.texts.next[i] {
		free++
	}
	if free != s.limits.blocks-blocks || free != s.texts.free.left {
		t.Errorf("%s: %d blocks are free of %d (%d are counted), %d are in use", where, free, s.limits.blocks, s.texts.free.left, blocks)
	}
	unused := s.limits.messages - int(s.unused.fresh)
	for i := s.unused.head; i != none; i = s.messages[i].next {
		unused++
	}
	if unused != s.limits.messages-messages || unused != s.unused.left {
		t.Errorf("%s: %d places for messages are free of %d (%d are counted), %d are in use", where, unused, s.limits.messages, s.unused.left, messages)
	}
}

// All of it is 16 MiB.
func TestMemoryOfTheStore(t *testing.T) {
	s := New()
	size := len(s.texts.data) + 4*len(s.texts.next) + len(s.messages)*int(unsafe.Sizeof(message{})) + len(s.dialogs)*int(unsafe.Sizeof(dialog{})) + 4*len(s.buckets)
	if size > 16<<20 || size < 15<<20 {
		t.Errorf("the store takes %d octets", size)
	}
}
