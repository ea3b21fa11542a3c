package lab

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	suite80 = "AES_CM_128_HMAC_SHA1_80"
	suite32 = "AES_CM_128_HMAC_SHA1_32"
)

// session is the part of an SDP body that the lab looks at: one audio stream.
type session struct {
	origin    string // the whole o= line: equal lines mean an unchanged session
	addr      netip.Addr
	port      uint16
	rtcpPort  uint16
	proto     string
	payloads  []int
	names     map[int]string // payload type → rtpmap
	mux       bool
	direction string
	crypto    []cryptoLine
	ice       bool
}

// cryptoLine is one a=crypto line (RFC 4568).
type cryptoLine struct {
	tag      int
	suite    string
	key      []byte // master key and salt
	lifetime string // as written: 2^31, or ""
}

func parseSession(body []byte) (*session, error) {
	s := &session{direction: "sendrecv", names: map[int]string{}}
	media := 0
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			continue
		}
		kind, value, ok := strings.Cut(line, "=")
		if !ok || len(kind) != 1 {
			return nil, fmt.Errorf("read SDP: line %q", line)
		}
		if media > 1 && kind != "m" {
			continue // other streams
		}
		switch kind {
		case "o":
			s.origin = value
		case "c":
			if fields := strings.Fields(value); len(fields) == 3 {
				addr, err := netip.ParseAddr(fields[2])
				if err != nil {
					return nil, fmt.Errorf("read SDP: line %q", line)
				}
				s.addr = addr
			}
		case "m":
			if media++; media > 1 {
				continue
			}
			if err := s.mediaLine(value); err != nil {
				return nil, err
			}
		case "a":
			name, value, _ := strings.Cut(value, ":")
			if err := s.attribute(name, value); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case media == 0:
		return nil, fmt.Errorf("read SDP: no media")
	case !s.addr.IsValid():
		return nil, fmt.Errorf("read SDP: no address")
	}
	if s.mux {
		s.rtcpPort = s.port
	} else if s.rtcpPort == 0 && s.port != 0 {
		s.rtcpPort = s.port + 1
	}
	return s, nil
}

func (s *session) mediaLine(value string) error {
	fields := strings.Fields(value)
	if len(fields) < 4 || fields[0] != "audio" {
		return fmt.Errorf("read SDP: media line %q", value)
	}
	port, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil {
		return fmt.Errorf("read SDP: media line %q", value)
	}
	s.port, s.proto = uint16(port), fields[2]
	for _, f := range fields[3:] {
		pt, err := strconv.Atoi(f)
		if err != nil {
			return fmt.Errorf("read SDP: media line %q", value)
		}
		s.payloads = append(s.payloads, pt)
	}
	return nil
}

func (s *session) attribute(name, value string) error {
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		s.direction = name
	case "rtcp-mux":
		s.mux = true
	case "ice-ufrag", "candidate":
		s.ice = true
	case "rtcp":
		number, _, _ := strings.Cut(value, " ") // an address may follow (RFC 3605)
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return fmt.Errorf("read SDP: a=rtcp:%s", value)
		}
		s.rtcpPort = uint16(port)
	case "rtpmap":
		pt, encoding, _ := strings.Cut(value, " ")
		if n, err := strconv.Atoi(pt); err == nil {
			s.names[n] = encoding
		}
	case "crypto":
		fields := strings.Fields(value)
		if len(fields) < 3 || !strings.HasPrefix(fields[2], "inline:") {
			return fmt.Errorf("read SDP: a crypto line is malformed")
		}
		tag, err := strconv.Atoi(fields[0])
		if err != nil {
			return fmt.Errorf("read SDP: crypto tag %q", fields[0])
		}
		inline, params, _ := strings.Cut(strings.TrimPrefix(fields[2], "inline:"), "|")
		key, err := base64.StdEncoding.DecodeString(inline)
		if err != nil {
			return fmt.Errorf("read SDP: the key of crypto line %d is not base64", tag)
		}
		lifetime, _, _ := strings.Cut(params, "|")
		s.crypto = append(s.crypto, cryptoLine{tag: tag, suite: fields[1], key: key, lifetime: lifetime})
	}
	return nil
}

// line80 is the crypto line with the suite that Teams demands, nil if there is none.
func (s *session) line80() *cryptoLine {
	if i := slices.IndexFunc(s.crypto, func(c cryptoLine) bool { return c.suite == suite80 }); i >= 0 {
		return &s.crypto[i]
	}
	return nil
}

// event is the payload type of telephone-event, -1 if not offered.
func (s *session) event() int {
	for _, pt := range s.payloads {
		if strings.HasPrefix(strings.ToLower(s.names[pt]), "telephone-event/8000") {
			return pt
		}
	}
	return -1
}

// local is what a simulated peer says of its own side.
type local struct {
	user      string
	id        uint64
	version   uint64
	addr      netip.Addr
	port      uint16
	ptime     time.Duration // 0: 20 ms
	direction string
	mux       bool
	crypto    []cryptoLine // none: RTP/AVP
	formats   []format     // in order of preference
}

type format struct {
	pt   int
	name string // rtpmap; "" for none
	fmtp string
}

// teamsFormats is what Teams offers without media bypass (teams.md A.38).
var teamsFormats = []format{
	{111, "SILK/16000", ""}, {103, "SILK/8000", ""}, {104, "SILK/16000", ""}, {9, "G722/8000", ""}, {0, "PCMU/8000", ""}, {8, "PCMA/8000", ""},
	{106, "CN/32000", ""}, {13, "CN/8000", ""}, {110, "telephone-event/48000", "0-16"}, {112, "telephone-event/16000", "0-16"},
	{113, "telephone-event/24000", "0-16"}, {126, "telephone-event/8000", "0-16"},
}

// starfaceFormats is what an Asterisk with A-law only offers.
var starfaceFormats = []format{{8, "PCMA/8000", ""}, {101, "telephone-event/8000", "0-16"}}

func (l *local) bytes() []byte {
	var b strings.Builder
	proto := "RTP/AVP"
	if len(l.crypto) > 0 {
		proto = "RTP/SAVP"
	}
	fmt.Fprintf(&b, "v=0\r\no=%s %d %d IN IP4 %v\r\ns=session\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio %d %s", l.user, l.id, l.version, l.addr, l.addr, l.port, proto)
	for _, f := range l.formats {
		fmt.Fprintf(&b, " %d", f.pt)
	}
	b.WriteString("\r\n")
	if l.mux {
		fmt.Fprintf(&b, "a=rtcp:%d\r\na=rtcp-mux\r\n", l.port)
	} else if proto == "RTP/SAVP" {
		fmt.Fprintf(&b, "a=rtcp:%d\r\n", l.port+1)
	}
	for _, c := range l.crypto {
		fmt.Fprintf(&b, "a=crypto:%d %s inline:%s", c.tag, c.suite, base64.StdEncoding.EncodeToString(c.key))
		if c.lifetime != "" {
			b.WriteString("|" + c.lifetime)
		}
		b.WriteString("\r\n")
	}
	for _, f := range l.formats {
		if f.name != "" {
			fmt.Fprintf(&b, "a=rtpmap:%d %s\r\n", f.pt, f.name)
		}
		if f.fmtp != "" {
			fmt.Fprintf(&b, "a=fmtp:%d %s\r\n", f.pt, f.fmtp)
		}
	}
	fmt.Fprintf(&b, "a=ptime:%d\r\na=%s\r\n", cmp.Or(l.ptime, usualPtime).Milliseconds(), l.direction)
	return []byte(b.String())
}

// newKey makes a master key with its salt for the 128-bit suites.
func newKey() []byte {
	key := make([]byte, 30)
	_, _ = rand.Read(key) // does not fail
	return key
}

// answering is the direction that answers an offered one without a wish of one's own (RFC 3264 6.1).
func answering(offered string) string {
	switch offered {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	}
	return offered
}
