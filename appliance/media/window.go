package media

// windowSize is how far back a packet may be late and still count, in packets: RFC 3711 section 3.3.2 wants 64 at least.
const windowSize = 128

// window remembers which packets of a stream have been seen. Packets are numbered by their 48-bit index: roll-over counter and
// sequence number (RFC 3711 section 3.3.1); for SRTCP by their 31-bit index.
type window struct {
	top     uint64 // highest index seen
	bits    [windowSize / 64]uint64
	started bool
}

type verdict int

const (
	fresh verdict = iota
	seen
	tooOld
)

// estimate is the index that a sequence number most probably stands for: the one nearest to the highest seen.
// ok is false when that would lie before the stream's beginning.
func (w *window) estimate(seq uint16) (index uint64, ok bool) {
	if !w.started {
		return uint64(seq), true
	}
	distance := int64(int16(seq - uint16(w.top)))
	index = w.top + uint64(distance)
	return index, distance >= 0 || w.top >= uint64(-distance)
}

// check says whether an index is new. It changes nothing: a packet is marked only when it proves authentic.
func (w *window) check(index uint64) verdict {
	if !w.started || index > w.top {
		return fresh
	}
	back := w.top - index
	if back >= windowSize {
		return tooOld
	}
	if w.bits[back/64]>>(back%64)&1 != 0 {
		return seen
	}
	return fresh
}

func (w *window) mark(index uint64) {
	switch {
	case !w.started:
		*w = window{top: index, started: true}
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

func (w *window) shift(n uint64) {
	switch {
	case n >= windowSize:
		w.bits = [windowSize / 64]uint64{}
	case n >= 64:
		w.bits = [windowSize / 64]uint64{0, w.bits[0] << (n - 64)}
	default:
		w.bits[1] = w.bits[1]<<n | w.bits[0]>>(64-n)
		w.bits[0] <<= n
	}
}
