package media

import "reflect"

// What relaying needs of a call does not stay in the processor's caches when there are hundreds: reading it line by line while each
// packet is handled costs a quarter of all time in waiting. Packets come in batches, so the lines of all their calls are asked for
// together, before the first packet is handled, and the processor waits for many at once.

// warm reads from each cache line that a packet of l will need; the sum only keeps the compiler from leaving it out.
func (l *leg) warm() (sum uint64) {
	o := l.other
	sum = l.source[rtp].low + l.streams[0].rtp.top + uint64(l.heard.ssrc) + l.stats.received + uint64(l.last)
	sum += o.dest[rtp].low + uint64(o.stream.ssrc) + o.stream.sent.top + o.stats.sent
	if l.rx != nil {
		sum += l.rx.rtp.warm()
	}
	if o.tx != nil {
		sum += o.tx.rtp.warm()
	}
	if p := o.ports[rtp]; p != nil {
		sum += p.header.sum
	}
	return sum
}

func (h *half) warm() (sum uint64) {
	sum = uint64(h.inner[0]) + uint64(h.tag)
	if s := h.expanded; s != nil {
		sum += s[0] + s[8] + s[16]
	}
	return sum
}

// expanded is the beginning of an expanded AES key, for reading it early only.
type expanded [17]uint64

// expandedIn finds it in a cipher of the standard library, nil should that be made otherwise one day.
func expandedIn(cipher any) *expanded {
	v := reflect.ValueOf(cipher)
	if v.Kind() != reflect.Pointer || v.Type().Elem().Size() < reflect.TypeFor[expanded]().Size() {
		return nil
	}
	return (*expanded)(v.UnsafePointer())
}
