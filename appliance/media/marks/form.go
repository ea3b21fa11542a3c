package marks

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
const version = 1

// Flags of a side.
const (
	sideOpen = 1 << iota
	sideStarted
	sideSent       // out.Started
	sideSource     // of RTP follows
	sideSourceRTCP // of RTCP follows
)

var errMarks = errors.New("media marks: cut off, or of another form")

// MarshalBinary writes marks.
func (m Marks) MarshalBinary() ([]byte, error) {
	b := make([]byte, 1, 160)
	b[0] = version
	for side := range m.Sides {
		b = binary.BigEndian.AppendUint32(b, m.Sides[side].Tally.SSRC)
	}
	for side := range m.Sides {
		b = m.Sides[side].append(b, m.Sides[1-side].Tally.SSRC)
	}
	return b, nil
}

// UnmarshalBinary reads them.
func (m *Marks) UnmarshalBinary(b []byte) error {
	*m = Marks{}
	r := reader{rest: b}
	if v := r.octets(1); v == nil || v[0] != version {
		return errMarks
	}
	for side := range m.Sides {
		m.Sides[side].Tally.SSRC = r.word()
	}
	for side := range m.Sides {
		m.Sides[side].read(&r, m.Sides[1-side].Tally.SSRC)
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
func (m *Side) append(b []byte, source uint32) []byte {
	if !m.Open {
		return append(b, 0)
	}
	flags := byte(sideOpen)
	for flag, set := range map[byte]bool{
		sideStarted: m.Started, sideSent: m.Out.Started, sideSource: m.Source[0].IsValid(), sideSourceRTCP: m.Source[1].IsValid(),
	} {
		if set {
			flags |= flag
		}
	}
	b = append(b, flags)
	for _, a := range m.Source {
		if a.IsValid() {
			b = appendAddress(b, a)
		}
	}
	o := &m.Out
	b = binary.BigEndian.AppendUint32(b, o.Timestamp)
	b = binary.BigEndian.AppendUint32(b, o.TSDelta)
	from := uint64(0)
	if o.From != 0 {
		from = uint64(o.From^source) + 1
	}
	for _, v := range []uint64{m.Sets, m.Keys, uint64(m.Noise), o.Top, uint64(o.RTCP), o.UnderKey, uint64(max(o.Idle/IdleUnit, 0)), o.Pace, from} {
		b = binary.AppendUvarint(b, v)
	}
	streams := 0
	for _, e := range m.In {
		if e.Used {
			streams++
		}
	}
	b = append(b, byte(streams))
	for _, e := range m.In {
		if e.Used {
			b = binary.AppendUvarint(b, uint64(e.SSRC^m.Tally.SSRC))
			b = binary.AppendUvarint(b, e.RTP)
			b = binary.AppendUvarint(b, e.RTCP)
		}
	}
	return m.Tally.append(b)
}

// IdleUnit is in what the pause of a stream is written.
const IdleUnit = 10 * time.Millisecond

func (m *Side) read(r *reader, source uint32) {
	v := r.octets(1)
	if v == nil || v[0]&sideOpen == 0 {
		return
	}
	flags := v[0]
	m.Open, m.Started, m.Out.Started = true, flags&sideStarted != 0, flags&sideSent != 0
	for i, flag := range [...]byte{sideSource, sideSourceRTCP} {
		if flags&flag != 0 {
			m.Source[i] = r.address()
		}
	}
	o := &m.Out
	o.Timestamp, o.TSDelta = r.word(), r.word()
	m.Sets, m.Keys = r.number(63), r.number(63)
	m.Noise = int(r.number(8))
	o.Top, o.RTCP, o.UnderKey = r.number(48), uint32(r.number(31)), r.number(48)
	o.Idle = time.Duration(r.number(32)) * IdleUnit
	o.Pace = r.number(32)
	if from := r.number(33); from != 0 {
		o.From = uint32(from-1) ^ source
	}
	streams := r.octets(1)
	if streams == nil || int(streams[0]) > len(m.In) {
		r.failed = true
		return
	}
	for i := range streams[0] {
		m.In[i] = In{uint32(r.number(32)) ^ m.Tally.SSRC, true, r.number(49), r.number(32)}
	}
	m.Tally.read(r)
}

// numbers are the figures of a tally in the order in which they are written. What is not negative stands first.
func (t *Tally) numbers() (unsigned [14]*uint64, signed [9]*int64) {
	return [...]*uint64{
			&t.Received, &t.Sent, &t.ReceivedOctets, &t.SentOctets, &t.RTCPReceived, &t.RTCPSent,
			&t.Duplicates, &t.Late, &t.Foreign, &t.AuthFailed, &t.Replayed, &t.Invalid, &t.Unsent, &t.KernelDrops,
		}, [...]*int64{
			&t.Lost, &t.Gaps, &t.Missing, &t.Jitter, &t.RoundTrip, &t.PeerLost, &t.PeerJitter, &t.Heard, new(int64),
		}
}

// append writes the figures that are not zero, with a mask of them before. Two are written as what they have more than others say.
func (t Tally) append(b []byte) []byte {
	payload := t.SentPayload
	t.Heard -= int64(t.Received)
	unsigned, signed := t.numbers()
	*signed[len(signed)-1] = int64(t.SentOctets-payload) - plainHeader*int64(t.Sent)
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

func (t *Tally) read(r *reader) {
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
	t.Heard += int64(t.Received)
	t.SentPayload = t.SentOctets - uint64(*signed[len(signed)-1]+plainHeader*int64(t.Sent))
}

// appendAddress writes an address with its length before it.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	raw := a.Addr().AsSlice()
	b = append(b, byte(len(raw)))
	b = append(b, raw...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// reader reads what MarshalBinary wrote. After a failure it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) octets(n int) []byte {
	if r.failed = r.failed || len(r.rest) < n; r.failed {
		return nil
	}
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

func (r *reader) word() uint32 {
	if v := r.octets(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// number reads a number that has so many bits at most.
func (r *reader) number(most int) uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.failed = r.failed || n <= 0 || bits.Len64(v) > most; r.failed {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) address() netip.AddrPort {
	n := r.octets(1)
	if n == nil {
		return netip.AddrPort{}
	}
	ip, ok := netip.AddrFromSlice(r.octets(int(n[0])))
	port := r.octets(2)
	if !ok || port == nil {
		r.failed = true
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(port))
}
