package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Stream is one m-line of a peer. One that we do not take goes into the answer with port 0 (RFC 3264 section 6).
type Stream struct {
	Media   string
	Proto   string
	Formats []string
	audio   *Audio // nil: it is no audio stream over RTP, or one that cannot be read
}

// Limits on what a peer may write. A description of Teams has about 40 lines and 12 payload types.
const (
	maxBody    = 64 << 10
	maxStreams = 32
	maxFormats = 64
	maxCrypto  = 16
)

// usualLines are room for the lines of nearly every description. It is no limit.
const usualLines = 64

// Parse reads a description. Errors are *Error with code 400 (not SDP) or 488 (no audio stream).
//
// Only what offer and answer need is looked at: an odd b=, u= or t= line, a T.38 stream or an attribute that nobody knows
// must not cost a call.
func Parse(body []byte) (*Session, error) {
	if len(body) > maxBody {
		return nil, malformed("session description: too long")
	}
	d, err := sections(string(body))
	if err != nil {
		return nil, err
	}
	s := &Session{}
	if err := s.readSession(d.session); err != nil {
		return nil, err
	}
	if err := s.readStreams(d); err != nil {
		return nil, err
	}
	return s, nil
}

// readStreams reads all streams and chooses the first audio stream that is not refused. One that cannot be read counts only when there
// is no other.
func (s *Session) readStreams(d *description) error {
	err, chosen := notAcceptable(WarnMedia, "no audio stream over RTP is described"), -1
	s.Streams = make([]Stream, 0, len(d.streams))
	for i, m := range d.streams {
		if m.isAudio() {
			a, bad := s.readAudio(m, d.session)
			switch {
			case bad == nil:
				m.audio = a
				if chosen < 0 || s.Streams[chosen].audio.Port == 0 && a.Port != 0 {
					chosen = i
				}
			case m.port != 0 && chosen < 0:
				err = bad
			}
		}
		s.Streams = append(s.Streams, m.Stream)
	}
	if chosen < 0 {
		return err
	}
	s.choose(chosen)
	return nil
}

func (s *Session) choose(i int) { s.Chosen, s.Audio = i, *s.Streams[i].audio }

// section is a run of lines: the session's, or one stream's.
type section struct {
	Stream
	port  int
	lines []line
}

type line struct {
	letter byte
	value  string
}

type description struct {
	session section
	streams []section
}

func sections(text string) (*description, error) {
	d := &description{}
	current := &d.session
	lines := make([]line, 0, min(strings.Count(text, "\n")+1, usualLines)) // of all sections, one after the other
	first := true
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, "\r\n \t")
		if raw == "" {
			continue
		}
		if len(raw) < 2 || raw[1] != '=' {
			return nil, malformed("session description: line %.40q is not of the form x=value", raw)
		}
		l := line{raw[0], raw[2:]}
		if first && (l.letter != 'v' || strings.TrimSpace(l.value) != "0") {
			return nil, malformed("session description: does not begin with v=0")
		}
		first = false
		if l.letter != 'm' {
			lines = append(lines, l)
			current.lines = lines[len(lines)-len(current.lines)-1:]
			continue
		}
		stream, err := readMedia(l.value)
		if err != nil {
			return nil, err
		}
		if len(d.streams) == maxStreams {
			return nil, malformed("session description: too many streams")
		}
		d.streams = append(d.streams, stream)
		current = &d.streams[len(d.streams)-1]
	}
	if first {
		return nil, malformed("session description: empty")
	}
	return d, nil
}

// readMedia reads MEDIA PORT[/N] PROTO FORMAT...
func readMedia(value string) (section, error) {
	f := strings.Fields(value)
	if len(f) < 4 {
		return section{}, malformed("session description: m=%.60q is incomplete", value)
	}
	number, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return section{}, malformed("session description: port %.20q of m=%.20s is not a port", f[1], f[0])
	}
	for _, word := range append([]string{f[0], f[2]}, f[3:]...) {
		if !printable(word) { // it goes into our answer
			return section{}, malformed("session description: m=%.60q holds odd characters", value)
		}
	}
	formats := f[3:]
	if len(formats) > maxFormats {
		return section{}, malformed("session description: too many formats")
	}
	return section{Stream: Stream{Media: f[0], Proto: f[2], Formats: slices.Clone(formats)}, port: int(port)}, nil
}

func printable(word string) bool {
	for i := range len(word) {
		if word[i] <= ' ' || word[i] > '~' {
			return false
		}
	}
	return true
}

func (s section) isAudio() bool {
	switch strings.ToUpper(s.Proto) {
	case "RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF":
		return strings.EqualFold(s.Media, "audio")
	}
	return false
}

func (s section) last(letter byte) (value string, ok bool) {
	for _, l := range s.lines {
		if l.letter == letter {
			value, ok = l.value, true
		}
	}
	return value, ok
}

// attributes walks the a= lines as name and value.
func (s section) attributes(yield func(name, value string) bool) {
	for _, l := range s.lines {
		if l.letter == 'a' {
			name, value, _ := strings.Cut(l.value, ":")
			if !yield(strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)) {
				return
			}
		}
	}
}

func (s *Session) readSession(d section) error {
	if o, ok := d.last('o'); ok {
		f := strings.Fields(o)
		if len(f) < 3 {
			return malformed("session description: o=%.60q is incomplete", o)
		}
		// Numbers wider than 64 bits are legal; their low digits still tell one version from the next.
		s.OriginUser, s.SessionID, s.Version = f[0], lowDigits(f[1]), lowDigits(f[2])
		if len(f) >= 6 {
			s.OriginAddr, _ = netip.ParseAddr(f[5])
		}
	}
	if c, ok := d.last('c'); ok {
		s.Addr, _ = connection(c) // whoever has no other says what is wrong with it
	}
	return nil
}

func lowDigits(s string) uint64 {
	if len(s) > 19 {
		s = s[len(s)-19:]
	}
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

// connection reads `IN IP4 ADDRESS[/TTL]`. A name instead of an address is legal and unused; we would have to resolve it.
func connection(value string) (netip.Addr, error) {
	f := strings.Fields(value)
	if len(f) < 3 || !strings.EqualFold(f[0], "IN") {
		return netip.Addr{}, malformed("session description: c=%.60q is not an address", value)
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, notAcceptable(WarnAddress, "session description: c=%.60q is not an address", value)
	}
	return addr.Unmap(), nil
}

func (s *Session) readAudio(m, session section) (*Audio, error) {
	a := &Audio{}
	proto := strings.ToUpper(m.Proto)
	a.Port = uint16(m.port)
	a.Secure, a.Feedback = strings.HasPrefix(proto, "RTP/S"), strings.HasSuffix(proto, "F")
	c, given := m.last('c')
	if !given {
		c, given = session.last('c')
	}
	if given {
		addr, err := connection(c)
		if err != nil && a.Port != 0 {
			return nil, err
		}
		a.Addr = addr
	}
	if !a.Addr.IsValid() && a.Port != 0 {
		return nil, malformed("session description: no c= line says where the audio goes")
	}
	a.Direction = SendRecv
	for _, part := range []section{session, m} {
		for name := range part.attributes {
			if d := Direction(name); d == SendRecv || d == SendOnly || d == RecvOnly || d == Inactive {
				a.Direction = d
			}
		}
	}
	if a.Addr.IsValid() && a.Addr.IsUnspecified() { // RFC 2543's hold: nothing may be sent to us
		a.Held = true
		a.Direction = a.Direction.And(SendOnly)
	}
	a.readAttributes(m)
	a.readCodecs(m)
	return a, nil
}

func (a *Audio) readAttributes(m section) {
	for name, value := range m.attributes {
		switch name {
		case "rtcp-mux":
			a.Mux = true
		case "rtcp":
			a.readRTCP(value)
		case "ptime":
			a.Ptime = packetTime(value, a.Ptime)
		case "maxptime":
			a.MaxPtime = packetTime(value, a.MaxPtime)
		case "crypto":
			if c, ok := parseCrypto(value); ok && len(a.Crypto) < maxCrypto {
				a.Crypto = append(a.Crypto, c)
			}
		}
	}
	if a.RTCPPort == 0 && a.Port != 0 && a.Port != 65535 {
		a.RTCPPort = a.Port + 1
	}
}

// readRTCP reads `PORT [IN IP4 ADDRESS]` (RFC 3605).
func (a *Audio) readRTCP(value string) {
	number, network, _ := strings.Cut(value, " ")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil || port == 0 {
		return
	}
	a.RTCPPort = uint16(port)
	if addr, err := connection(network); err == nil && addr != a.Addr {
		a.RTCPAddr = addr
	}
}

// packetTime reads the milliseconds of a=ptime and a=maxptime; otherwise is what they are when that cannot be read. Asterisk and others
// write 20.0 or 30.5 for odd codecs; the whole milliseconds are enough.
func packetTime(value string, otherwise int) int {
	number, _, _ := strings.Cut(value, ".")
	if ms, err := strconv.Atoi(number); err == nil && ms > 0 && ms <= 1000 {
		return ms
	}
	return otherwise
}

// formatted is the value of an a=rtpmap or a=fmtp line.
type formatted struct{ format, text string }

// of is the value for a format, of the last line that names it.
func of(list []formatted, format string) (text string, ok bool) {
	for _, f := range slices.Backward(list) {
		if f.format == format {
			return f.text, true
		}
	}
	return "", false
}

func (a *Audio) readCodecs(m section) {
	n := len(m.Formats)
	maps, fmtps := make([]formatted, 0, n), make([]formatted, 0, n)
	for name, value := range m.attributes {
		if pt, rest, ok := strings.Cut(value, " "); ok {
			switch name {
			case "rtpmap":
				maps = append(maps, formatted{pt, strings.TrimSpace(rest)})
			case "fmtp":
				fmtps = append(fmtps, formatted{pt, strings.TrimSpace(rest)})
			}
		}
	}
	a.Numbers, a.Codecs = make([]uint8, 0, n), make([]Codec, 0, n)
	for _, format := range m.Formats {
		pt, err := strconv.ParseUint(format, 10, 7)
		if err != nil || slices.Contains(a.Numbers, uint8(pt)) {
			continue
		}
		a.Numbers = append(a.Numbers, uint8(pt))
		c, known := static[uint8(pt)]
		if text, mapped := of(maps, format); mapped {
			c, known = rtpmap(uint8(pt), text)
		}
		if known {
			c.PT = uint8(pt)
			if c.Fmtp, _ = of(fmtps, format); !printable(strings.ReplaceAll(c.Fmtp, " ", "")) {
				c.Fmtp = "" // it may go into a description of ours
			}
			a.Codecs = append(a.Codecs, c)
		}
	}
}

// rtpmap reads NAME/RATE[/CHANNELS].
func rtpmap(pt uint8, text string) (Codec, bool) {
	f := strings.Split(text, "/")
	if len(f) < 2 || f[0] == "" || !printable(f[0]) {
		return Codec{}, false
	}
	rate, err := strconv.Atoi(strings.TrimSpace(f[1]))
	if err != nil || rate <= 0 || rate > 1_000_000 {
		return Codec{}, false
	}
	c := Codec{PT: pt, Name: strings.ToUpper(f[0]), Rate: rate, Channels: 1}
	if strings.EqualFold(c.Name, TelephoneEvent) {
		c.Name = TelephoneEvent
	}
	if len(f) > 2 {
		if n, err := strconv.Atoi(strings.TrimSpace(f[2])); err == nil && n > 0 && n <= 8 {
			c.Channels = n
		}
	}
	return c, true
}
