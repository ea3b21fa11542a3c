package messages

import (
	"bytes"
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
)

// summary is what the store reads of a message.
type summary struct {
	callID []byte
	method []byte // of the request, or of the request that is answered
	code   int    // of a response
}

// scan reads a message as far as its Call-ID and CSeq. What is no SIP message has no Call-ID.
func scan(m []byte) (s summary) {
	start, rest, _ := bytes.Cut(m, []byte{'\n'})
	if line, ok := bytes.CutPrefix(start, []byte("SIP/2.0 ")); ok {
		if len(line) < 3 {
			return summary{}
		}
		for _, c := range line[:3] {
			if c < '0' || c > '9' {
				return summary{}
			}
			s.code = s.code*10 + int(c-'0')
		}
	} else {
		s.method, _, _ = bytes.Cut(start, []byte{' '})
	}
	missing := 1
	if s.code > 0 {
		missing = 2
	}
	for missing > 0 && len(rest) > 0 {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest) - 1
		}
		line := rest[:end+1]
		if line[0] == '\r' || line[0] == '\n' {
			break // the body follows
		}
		switch line[0] | 0x20 {
		case 'c', 'i':
			name, value, _ := bytes.Cut(line, []byte{':'})
			name = bytes.TrimRight(name, " \t")
			switch {
			case s.callID == nil && (bytes.EqualFold(name, []byte("call-id")) || len(name) == 1 && line[0]|0x20 == 'i'):
				s.callID = bytes.TrimSpace(sipmsg.Unfolded(value, rest[end+1:]))
				missing--
			case s.code > 0 && s.method == nil && bytes.EqualFold(name, []byte("cseq")):
				value = bytes.TrimSpace(sipmsg.Unfolded(value, rest[end+1:]))
				s.method = value[bytes.LastIndexAny(value, " \t\n")+1:]
				missing--
			}
		}
		rest = rest[end+1:]
	}
	return s
}

// Line is what a ladder shows of a message.
type Line struct {
	Method string // of the request, or of the request that is answered
	Code   int    // 0: a request
	Reason string // of a response
	SDP    bool   // it carries a session description
}

// Read reads a message for a ladder. All of it is text of a peer.
func Read(m []byte) Line {
	s := scan(m)
	l := Line{Method: string(s.method), Code: s.code}
	head, body, _ := strings.Cut(string(m), "\r\n\r\n")
	if l.Code > 0 {
		start, _, _ := strings.Cut(head, "\r\n")
		_, reason, _ := strings.Cut(start, strconv.Itoa(l.Code))
		l.Reason = strings.TrimSpace(reason)
	}
	l.SDP = strings.HasPrefix(body, "v=0") || strings.Contains(body, "\nv=0")
	return l
}
