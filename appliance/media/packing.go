package media

import (
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
)

// Conversion of the packet size. A side gets voice that the box can decode in packets as long as it asks for (a=ptime, a=maxptime), however long
// those of the other side are. Nothing is computed: octets move from one packet into the next.
//
// The packets that leave have numbers of their own. A lost packet leaves its number open, so that the listener conceals the loss and counts it in
// its reports. A packet that comes late after all goes out under that number, in its own length. Before a gap, a pause, a digit or the end of
// a talk spurt the waiting voice goes out as a short packet: voice is neither held back nor filled up.

// Packets of voice that we make hold so much, and audio.MaxTime at most.
const (
	leastPtime = 10 * time.Millisecond
	usualPtime = 20 * time.Millisecond
)

const packedSlot = headroom + 12 + audio.MaxSize + tailroom

// packing is the conversion towards one side. It is made when the first packet of another length comes, and then takes all
// packets of that source.
type packing struct {
	active   bool
	marker   bool   // the packet that is being filled begins a talk spurt
	fitting  bool   // the last packet had the right length
	last     uint16 // number of the newest packet that came
	next     uint16 // of the next that leaves, before it joins the stream
	gap      gap    // that was found last
	odd      uint32 // next number of a source that may have begun anew, plus 1<<16; 0 none
	have     int    // octets that wait
	time     uint32 // timestamp of the first of them
	slot     int    // of memory, that was used last
	waiting  [audio.MaxSize]byte
	outgoing [8][packedSlot]byte
}

// gap is a run of packets that did not come, and the numbers that were left open for them.
type gap struct{ first, count, open uint16 }

// repacks reports whether a packet of l goes to the other side by way of the conversion.
func (l *leg) repacks(voice bool, octets int) bool {
	o := l.other
	return o.out.size > 0 && voice && octets != o.out.size && octets > 0 && o.formats.voice != nil || o.out.packing != nil && o.out.packing.active
}

// repack passes a packet of l on in packets of the length that the other side wants. voice tells what can be cut from what passes as it is.
func (t *thread) repack(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32, pt uint8, voice bool) {
	o := l.other
	if o.out.packing == nil {
		o.out.packing = &packing{}
	}
	k, s := o.out.packing, &o.out.stream
	if s.restart || ssrc != s.from {
		if k.active = voice && n-header != o.out.size; !k.active {
			t.sendInStream(l, p, n, header, ssrc, seq, timestamp, pt)
			return
		}
		k.begin(seq)
		s.rebase(ssrc, seq, timestamp, t.now, o.formats.rate)
	} else if !k.active {
		k.begin(seq)
	}
	switch ahead := int16(seq - k.last); {
	case ahead == 1:
	case ahead > 1:
		t.packRest(l, ssrc)
		k.gap = gap{k.last + 1, uint16(ahead - 1), k.next}
		k.next += uint16(ahead - 1)
	case ahead > -srtp.WindowSize:
		t.belated(l, p, n, header, ssrc, seq, timestamp, pt)
		return
	case k.odd != uint32(seq)+1<<16: // two in a row: the source began to count anew (RFC 3550 A.1)
		k.odd = uint32(seq+1) + 1<<16
		l.stats.Late++
		return
	default:
		k.begin(seq)
		s.rebase(ssrc, seq, timestamp, t.now, o.formats.rate)
	}
	k.last, k.odd = seq, 0
	if !voice || n == header {
		t.packRest(l, ssrc)
		t.sendInStream(l, p, n, header, ssrc, k.next, timestamp, pt)
		k.next++
		return
	}
	t.fill(l, p[header:n], ssrc, timestamp, p[1]&0x80 != 0)
}

// begin prepares for a source whose next packet has the number seq. Voice that waits of another source is less than a packet; it is dropped.
func (k *packing) begin(seq uint16) {
	k.active, k.fitting, k.last, k.next, k.gap, k.odd, k.have = true, false, seq-1, seq, gap{}, 0, 0
}

// fill adds voice to the waiting voice and sends full packets.
func (t *thread) fill(l *leg, octets []byte, ssrc uint32, timestamp uint32, marker bool) {
	k, size := l.other.out.packing, l.other.out.size
	fits := len(octets) == size
	// An announcement ends with a short packet. Packets of the right length may follow, and its rest must not delay them for ever.
	if marker || timestamp != k.time+l.other.formats.voice.Units(k.have) || fits && k.fitting {
		t.packRest(l, ssrc)
	}
	if k.fitting = fits; k.have == 0 {
		k.time, k.marker = timestamp, marker
	}
	for len(octets) >= size-k.have {
		more := octets[:size-k.have]
		octets = octets[len(more):]
		t.pack(l, ssrc, more)
	}
	k.have += copy(k.waiting[k.have:], octets)
}

// packRest sends the waiting voice as a short packet.
func (t *thread) packRest(l *leg, ssrc uint32) {
	if l.other.out.packing.have > 0 {
		t.pack(l, ssrc, nil)
	}
}

// pack sends the waiting voice and more in one packet.
func (t *thread) pack(l *leg, ssrc uint32, more []byte) {
	o := l.other
	k := o.out.packing
	if k.slot++; k.slot >= len(k.outgoing) {
		k.slot = 0
		t.batch.flush() // the slots are used again
	}
	if t.batch.n == 0 {
		k.slot = 0
	}
	slot := k.outgoing[k.slot][:]
	p := slot[headroom:]
	const header = 12
	p[0], p[1] = 0x80, 0
	if k.marker {
		p[1], k.marker = 0x80, false
	}
	n := header + copy(p[header:], k.waiting[:k.have])
	n += copy(p[n:], more)
	size, ok := t.stamp(l, p, n, header, ssrc, k.next, k.time, o.formats.wanted.Audio)
	k.next++
	k.time += o.formats.voice.Units(n - header)
	k.have = 0
	if ok {
		t.makeRoom()
		t.batch.add(o.local.ports[rtp], o.remote.dest[rtp], t.routeOf(o.local.ports[rtp], o.remote.dest[rtp]), slot, size)
	}
}

// belated passes a packet on that comes after its gap was seen.
func (t *thread) belated(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32, pt uint8) {
	g := &l.other.out.packing.gap
	if offset := seq - g.first; offset < g.count {
		t.sendInStream(l, p, n, header, ssrc, g.open+offset, timestamp, pt) // which notices a copy
		return
	}
	l.stats.Duplicates++
}

// setPtime sets how much voice a packet to this side holds, 0: as much as the packets that come.
func (l *leg) setPtime(d time.Duration) {
	octets := 0
	if d > 0 && l.formats.voice != nil {
		octets = l.formats.voice.Size(min(max(d, leastPtime), audio.MaxTime))
	}
	if k := l.out.packing; octets != l.out.size && k != nil && k.active {
		k.active = false
		l.out.stream.restart = true // other numbers are added from now on
	}
	l.out.size = octets
}
