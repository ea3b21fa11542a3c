// Package voice keeps what is said in single calls, as packets of RTP without encryption, for those who look for the cause of bad voice.
//
// It owns which calls are wanted, for how long, and the bounds of what is kept. It does not own the packets' way (media), nor who may ask
// for it: that is a matter of commands. Nothing is kept until somebody asks, nothing is written to flash, and dialled digits are
// left out. It has no goroutines but a timer that forgets.
package voice

import (
	"slices"
	"strings"
	"sync"
	"time"

	"net/netip"

	"viaduct/appliance/media"
)

// What is kept, and for how long.
const (
	Longest  = 10 * time.Minute // calls are wanted
	kept     = time.Hour        // what was said, after that
	room     = 16 << 20         // octets in all: about 12 minutes of a call, both sides
	pieceLen = 64 << 10
	perMark  = 128 // octets that a packet costs beside its own
	mostAsks = 16
)

// Packet is one packet of RTP on its way to the box.
type Packet struct {
	Time     time.Time
	From, To netip.AddrPort
	Data     []byte
}

// Book holds the packets of wanted calls. The zero value is ready.
type Book struct {
	mu     sync.Mutex
	asks   []ask
	pieces []*piece // the oldest first
	size   int
	forget *time.Timer
	due    time.Time // when forget may drop what is kept
}

// ask is a wish for the calls of a number, or for one call by its ID.
type ask struct {
	text  string
	until time.Time
}

// piece is a run of packets of one call.
type piece struct {
	call    string
	octets  []byte
	packets []Packet // whose Data are parts of octets
}

// Ask has the calls of a number (its last digits are enough), or the call with this ID, kept from now on, and returns until when.
func (b *Book) Ask(text string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.asks = slices.DeleteFunc(b.asks, func(a ask) bool { return a.text == text || now.After(a.until) })
	if len(b.asks) == mostAsks {
		b.asks = slices.Delete(b.asks, 0, 1)
	}
	until := now.Add(Longest)
	b.asks = append(b.asks, ask{text, until})
	if b.forget != nil {
		b.forget.Stop()
	}
	b.due = until.Add(kept)
	b.forget = time.AfterFunc(b.due.Sub(now), b.expire)
	return until
}

// expire forgets, unless another wish came while it waited for the lock.
func (b *Book) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !time.Now().Before(b.due) {
		b.drop()
	}
}

// Forget ends all wishes and drops everything that was kept. It reports whether there was anything.
func (b *Book) Forget() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	had := len(b.asks)+len(b.pieces) > 0
	b.drop()
	return had
}

// drop empties the book. The lock is held.
func (b *Book) drop() {
	if b.forget != nil {
		b.forget.Stop()
	}
	b.asks, b.pieces, b.size = nil, nil, 0
}

// Taker is what takes the packets of a call; nil: nobody wants them.
func (b *Book) Taker(call, calling, called string) func(media.Heard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, a := range b.asks {
		if now.Before(a.until) && (strings.EqualFold(call, a.text) || strings.HasSuffix(calling, a.text) || strings.HasSuffix(called, a.text)) {
			return func(h media.Heard) { b.keep(call, a, h) }
		}
	}
	return nil
}

// keep takes a packet, on a thread of the relay. The oldest packets of all give way to it.
func (b *Book) keep(call string, a ask, h media.Heard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !h.Time.Before(a.until) || !slices.Contains(b.asks, a) {
		return
	}
	var p *piece
	for _, x := range slices.Backward(b.pieces) {
		if x.call == call {
			p = x
			break
		}
	}
	if p == nil || len(p.octets)+len(h.Packet) > cap(p.octets) {
		p = &piece{call: call, octets: make([]byte, 0, max(pieceLen, len(h.Packet)))}
		b.pieces = append(b.pieces, p)
		b.size += cap(p.octets)
	}
	at := len(p.octets)
	p.octets = append(p.octets, h.Packet...)
	data := p.octets[at:]
	if h.Event {
		const none = 0xff // no digit has this number (RFC 4733)
		for n := range data[min(h.Header, len(data)):] {
			data[h.Header+n] = none
		}
	}
	p.packets = append(p.packets, Packet{h.Time, h.From, h.To, data})
	b.size += perMark
	for b.size > room && len(b.pieces) > 1 {
		b.size -= cap(b.pieces[0].octets) + perMark*len(b.pieces[0].packets)
		b.pieces = slices.Delete(b.pieces, 0, 1)
	}
}

// Packets returns what is kept of a call, in the order in which it came.
func (b *Book) Packets(call string) (list []Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pieces {
		if strings.EqualFold(p.call, call) {
			list = append(list, p.packets...)
		}
	}
	return list
}
