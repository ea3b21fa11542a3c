package srtp

// WindowSize is how far back a packet may be late and still count, in packets: RFC 3711 section 3.3.2 wants 64 at least.
const WindowSize = 128

// Window remembers which packets of a stream have been seen. Packets are numbered by their 48-bit index: roll-over counter and
// sequence number (RFC 3711 section 3.3.1); for SRTCP by their 31-bit index.
type Window struct {
	top     uint64 // highest index seen
	bits    [WindowSize / 64]uint64
	started bool
}

// Verdict is what a window says of an index.
type Verdict int

const (
	Fresh Verdict = iota
	Seen
	TooOld
)

// Estimate is the index that a sequence number most probably stands for: the one nearest to the highest seen.
// ok is false when that would lie before the stream's beginning.
func (w *Window) Estimate(seq uint16) (index uint64, ok bool) {
	if !w.started {
		return uint64(seq), true
	}
	distance := int64(int16(seq - uint16(w.top)))
	index = w.top + uint64(distance)
	return index, distance >= 0 || w.top >= uint64(-distance)
}

// Check says whether an index is new. It changes nothing: a packet is marked only when it proves authentic.
func (w *Window) Check(index uint64) Verdict {
	if !w.started || index > w.top {
		return Fresh
	}
	back := w.top - index
	if back >= WindowSize {
		return TooOld
	}
	if w.bits[back/64]>>(back%64)&1 != 0 {
		return Seen
	}
	return Fresh
}

// Mark notes that the packet with an index has been taken.
func (w *Window) Mark(index uint64) {
	switch {
	case !w.started:
		*w = Window{top: index, started: true}
		w.bits[0] = 1
	case index > w.top:
		w.shift(index - w.top)
		w.top = index
		w.bits[0] |= 1
	default:
		back := w.top - index
		w.bits[back/64] |= 1 << (back % 64)
	}
}

func (w *Window) shift(n uint64) {
	switch {
	case n >= WindowSize:
		w.bits = [WindowSize / 64]uint64{}
	case n >= 64:
		w.bits = [WindowSize / 64]uint64{0, w.bits[0] << (n - 64)}
	default:
		w.bits[1] = w.bits[1]<<n | w.bits[0]>>(64-n)
		w.bits[0] <<= n
	}
}

// PassedTo is the window of a stream that has come to an index elsewhere: it is not known which of the packets before were seen, so all count as seen.
func PassedTo(index uint64) Window {
	w := Window{top: index, started: true}
	for i := range w.bits {
		w.bits[i] = ^uint64(0)
	}
	return w
}

// Started reports whether any packet has been taken.
func (w *Window) Started() bool { return w.started }

// Top is the highest index seen.
func (w *Window) Top() uint64 { return w.top }
