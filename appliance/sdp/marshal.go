package sdp

import (
	"fmt"
	"net/netip"
)

// Marshal writes the description with CRLF line ends. Equal descriptions give equal octets: a refresh must not look like a
// change.
func (s *Session) Marshal() []byte {
	b := make([]byte, 0, 512)
	b = fmt.Appendf(b, "v=0\r\no=%s %d %d %s\r\ns=-\r\n", s.OriginUser, s.SessionID, s.Version, address(s.OriginAddr))
	if s.Addr.IsValid() {
		b = fmt.Appendf(b, "c=%s\r\n", address(s.Addr))
	}
	b = append(b, "t=0 0\r\n"...)
	if len(s.Streams) == 0 {
		return s.Audio.append(b, s.Addr)
	}
	for i, r := range s.Streams {
		if i == s.Chosen {
			b = s.Audio.append(b, s.Addr)
		} else {
			b = r.append(b)
		}
	}
	return b
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return "IN IP4 0.0.0.0"
	}
	if a.Is4() {
		return "IN IP4 " + a.String()
	}
	return "IN IP6 " + a.String()
}

func (r Stream) append(b []byte) []byte {
	b = fmt.Appendf(b, "m=%s 0 %s", r.Media, r.Proto)
	for _, f := range r.Formats {
		b = append(append(b, ' '), f...)
	}
	return append(b, "\r\n"...)
}

func (a *Audio) append(b []byte, session netip.Addr) []byte {
	b = fmt.Appendf(b, "m=audio %d %s", a.Port, a.proto())
	for _, c := range a.Codecs {
		b = fmt.Appendf(b, " %d", c.PT)
	}
	if len(a.Codecs) == 0 {
		b = append(b, " 0"...) // an m-line needs a format
	}
	b = append(b, "\r\n"...)
	if a.Addr.IsValid() && a.Addr != session {
		b = fmt.Appendf(b, "c=%s\r\n", address(a.Addr))
	}
	for _, c := range a.Codecs {
		b = c.append(b)
	}
	for _, c := range a.Crypto {
		b = fmt.Appendf(b, "a=crypto:%s\r\n", c.line())
	}
	if a.Port != 0 && a.RTCPPort != 0 {
		b = fmt.Appendf(b, "a=rtcp:%d\r\n", a.RTCPPort)
	}
	if a.Mux {
		b = append(b, "a=rtcp-mux\r\n"...)
	}
	if a.Ptime != 0 {
		b = fmt.Appendf(b, "a=ptime:%d\r\n", a.Ptime)
	}
	return fmt.Appendf(b, "a=%s\r\n", a.direction())
}

func (a *Audio) direction() Direction {
	if a.Direction == "" {
		return SendRecv
	}
	return a.Direction
}

func (a *Audio) proto() string {
	proto := "RTP/"
	if a.Secure {
		proto += "S"
	}
	proto += "AVP"
	if a.Feedback {
		proto += "F"
	}
	return proto
}

func (c Codec) append(b []byte) []byte {
	b = fmt.Appendf(b, "a=rtpmap:%d %s/%d", c.PT, c.Name, c.Rate)
	if c.Channels > 1 {
		b = fmt.Appendf(b, "/%d", c.Channels)
	}
	b = append(b, "\r\n"...)
	if c.Fmtp != "" {
		b = fmt.Appendf(b, "a=fmtp:%d %s\r\n", c.PT, c.Fmtp)
	}
	return b
}
