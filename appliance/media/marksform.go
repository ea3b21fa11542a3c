package media

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"time"
)

// Written marks are a version, the SSRCs of both peers, and two sides. A side is an octet of flags, and numbers in groups of seven bits; what is
// zero or follows from something else is left out. A later release may write more behind it.
const marksVersion = 1

// Flags of a side.
const (
	sideOpen = 1 << iota
	sideStarted
	sideSent       // out.started
	sideSource     // of RTP follows
	sideSourceRTCP // of RTCP follows
)

var errMarks = errors.New("media marks: cut off, or of another form")

// MarshalBinary writes marks.
func (m Marks) MarshalBinary() ([]byte, error) {
	b := make([]byte, 1, 160)
	b[0] = marksVersion
	for side := range m.sides {
		b = binary.BigEndian.AppendUint32(b, m.sides[side].tally.ssrc)
	}
	for side := range m.sides {
		b = m.sides[side].append(b, m.sides[1-side].tally.ssrc)
	}
	return b, nil
}

// UnmarshalBinary reads them.
func (m *Marks) UnmarshalBinary(b []byte) error {
	*m = Marks{}
	r := marksReader{rest: b}
	if v := r.octets(1); v == nil || v[0] != marksVersion {
		return errMarks
	}
	for side := range m.sides {
		m.sides[side].tally.ssrc = r.word()
	}
	for side := range m.sides {
		m.sides[side].read(&r, m.sides[1-side].tally.ssrc)
	}
	if r.failed {
		*m = Marks{}
		return errMarks
	}
	return nil
}

// MarshalText and UnmarshalText write marks as part of a State.
func (m Marks) MarshalText() ([]byte, error) {
	b, err := m.MarshalBinary()
	return base64.RawStdEncoding.AppendEncode(nil, b), err
}

func (m *Marks) UnmarshalText(text []byte) error {
	b, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return errMarks
	}
	return m.UnmarshalBinary(b)
}

// append writes a side. source is the SSRC of the other side's peer, which mostly is the source of the stream to this one.
func (m *sideMarks) append(b []byte, source uint32) []byte {
	if !m.open {
		return append(b, 0)
	}
	flags := byte(sideOpen)
	for flag, set := range map[byte]bool{
		sideStarted: m.started, sideSent: m.out.started, sideSource: m.source[rtp].known(), sideSourceRTCP: m.source[rtcp].known(),
	} {
		if set {
			flags |= flag
		}
	}
	b = append(b, flags)
	for _, a := range m.source {
		if a.known() {
			b = appendAddress(b, a)
		}
	}
	o := &m.out
	b = binary.BigEndian.AppendUint32(b, o.timestamp)
	b = binary.BigEndian.AppendUint32(b, o.tsDelta)
	from := uint64(0)
	if o.from != 0 {
		from = uint64(o.from^source) + 1
	}
	for _, v := range []uint64{m.sets, m.keys, uint64(m.noise), o.top, uint64(o.rtcp), o.underKey, uint64(max(o.idle/idleUnit, 0)), o.pace, from} {
		b = binary.AppendUvarint(b, v)
	}
	streams := 0
	for _, e := range m.in {
		if e.used {
			streams++
		}
	}
	b = append(b, byte(streams))
	for _, e := range m.in {
		if e.used {
			b = binary.AppendUvarint(b, uint64(e.ssrc^m.tally.ssrc))
			b = binary.AppendUvarint(b, e.rtp)
			b = binary.AppendUvarint(b, e.rtcp)
		}
	}
	return m.tally.append(b)
}

// idleUnit is in what the pause of a stream is written.
const idleUnit = 10 * time.Millisecond

func (m *sideMarks) read(r *marksReader, source uint32) {
	v := r.octets(1)
	if v == nil || v[0]&sideOpen == 0 {
		return
	}
	flags := v[0]
	m.open, m.started, m.out.started = true, flags&sideStarted != 0, flags&sideSent != 0
	for i, flag := range [...]byte{sideSource, sideSourceRTCP} {
		if flags&flag != 0 {
			m.source[i] = r.address()
		}
	}
	o := &m.out
	o.timestamp, o.tsDelta = r.word(), r.word()
	m.sets, m.keys = r.number(63), r.number(63)
	m.noise = int(r.number(8))
	o.top, o.rtcp, o.underKey = r.number(48), uint32(r.number(31)), r.number(48)
	o.idle = time.Duration(r.number(32)) * idleUnit
	o.pace = r.number(32)
	if from := r.number(33); from != 0 {
		o.from = uint32(from-1) ^ source
	}
	streams := r.octets(1)
	if streams == nil || int(streams[0]) > len(m.in) {
		r.failed = true
		return
	}
	for i := range streams[0] {
		m.in[i] = inMarks{uint32(r.number(32)) ^ m.tally.ssrc, true, r.number(49), r.number(32)}
	}
	m.tally.read(r)
}

// numbers are the figures of a tally in the order in which they are written. What is not negative stands first.
func (t *tally) numbers() (unsigned [14]*uint64, signed [9]*int64) {
	return [...]*uint64{
			&t.received, &t.sent, &t.receivedOctets, &t.sentOctets, &t.rtcpReceived, &t.rtcpSent,
			&t.Duplicates, &t.Late, &t.Foreign, &t.AuthFailed, &t.Replayed, &t.Invalid, &t.Unsent, &t.KernelDrops,
		}, [...]*int64{
			&t.lost, &t.gaps, &t.missing, &t.jitter, &t.roundTrip, &t.peerLost, &t.peerJitter, &t.heard, new(int64),
		}
}

// append writes the figures that are not zero, with a mask of them before. Two are written as what they have more than others say.
func (t tally) append(b []byte) []byte {
	payload := t.sentPayload
	t.heard -= int64(t.received)
	unsigned, signed := t.numbers()
	*signed[len(signed)-1] = int64(t.sentOctets-payload) - plainHeader*int64(t.sent)
	var mask uint64
	var values []byte
	for i, v := range unsigned {
		if *v != 0 {
			mask |= 1 << i
			values = binary.AppendUvarint(values, *v)
		}
	}
	for i, v := range signed {
		if *v != 0 {
			mask |= 1 << (len(unsigned) + i)
			values = binary.AppendVarint(values, *v)
		}
	}
	return append(binary.AppendUvarint(b, mask), values...)
}

// plainHeader is the least that a packet has beside its payload.
const plainHeader = 12

func (t *tally) read(r *marksReader) {
	unsigned, signed := t.numbers()
	mask := r.number(len(unsigned) + len(signed))
	for i, v := range unsigned {
		if mask>>i&1 != 0 {
			*v = r.number(63)
		}
	}
	for i, v := range signed {
		if mask>>(len(unsigned)+i)&1 != 0 {
			u := r.number(63)
			*v = int64(u>>1) ^ -int64(u&1) // as binary.AppendVarint writes it
		}
	}
	t.heard += int64(t.received)
	t.sentPayload = t.sentOctets - uint64(*signed[len(signed)-1]+plainHeader*int64(t.sent))
}

// appendAddress writes an address with its length before it.
func appendAddress(b []byte, a address) []byte {
	n := a.netip()
	raw := n.Addr().AsSlice()
	b = append(b, byte(len(raw)))
	b = append(b, raw...)
	return binary.BigEndian.AppendUint16(b, n.Port())
}

// marksReader reads what MarshalBinary wrote. After a failure it gives zeros.
type marksReader struct {
	rest   []byte
	failed bool
}

func (r *marksReader) octets(n int) []byte {
	if r.failed = r.failed || len(r.rest) < n; r.failed {
		return nil
	}
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

func (r *marksReader) word() uint32 {
	if v := r.octets(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// number reads a number that has so many bits at most.
func (r *marksReader) number(most int) uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.failed = r.failed || n <= 0 || bits.Len64(v) > most; r.failed {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *marksReader) address() address {
	n := r.octets(1)
	if n == nil {
		return address{}
	}
	ip, ok := netip.AddrFromSlice(r.octets(int(n[0])))
	port := r.octets(2)
	if !ok || port == nil {
		r.failed = true
		return address{}
	}
	return addressOf(netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port)))
}
