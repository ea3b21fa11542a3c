package sipmsg

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
)

const (
	MinMessage = 32    // no SIP message is shorter
	maxHead    = 32768 // octets of start line and header fields
	maxBody    = 65536 // octets of a body
	KeepAlive  = "\r\n\r\n"
)

var (
	crlf2 = []byte("\r\n\r\n")

	errTooLarge = errors.New("message too large")
	errLength   = errors.New("Content-Length missing, twice or no number")
	errLines    = errors.New("a CR, LF or NUL that ends no line")
	errNoVia    = errors.New("no Via")
)

// Framing is the fault in a message's length. The zero value is a sound message.
type Framing struct {
	Err  error
	Code int // response that a request with this fault gets
}

// FrameDatagram cuts a datagram into head (with its empty line) and body (RFC 3261 18.3).
func FrameDatagram(b []byte) (head, body []byte, f Framing) {
	i := bytes.Index(b, crlf2)
	if i < 0 {
		return b, nil, Framing{errors.New("no empty line"), 400}
	}
	head, body = b[:i+4], b[i+4:]
	n, given, err := contentLength(head)
	switch {
	case !cleanLines(head):
		return head, nil, Framing{errLines, 400}
	case err != nil:
		return head, nil, Framing{err, 400}
	case !given:
		return head, body, Framing{}
	case n > len(body):
		return head, nil, Framing{errors.New("body shorter than its Content-Length"), 400}
	}
	return head, body[:n], Framing{}
}

// FrameStream cuts the next message off a stream. n is the length that it took from b; 0 means that more has to be read. pongs counts the
// double CRLFs before the message; each asks for a CRLF (RFC 5626 4.4.1). fatal means that the end of the message is unknown.
func FrameStream(b []byte) (head, body []byte, n, pongs int, f Framing, fatal bool) {
	start := 0
	for len(b)-start >= 2 && b[start] == '\r' && b[start+1] == '\n' {
		if len(b)-start >= 4 && b[start+2] == '\r' && b[start+3] == '\n' {
			pongs, start = pongs+1, start+4
			continue
		}
		if len(b)-start == 2 || len(b)-start == 3 && b[start+2] == '\r' {
			break // half a ping, perhaps
		}
		start += 2
	}
	rest := b[start:]
	i := bytes.Index(rest, crlf2)
	if i <= 0 {
		if len(rest) > maxHead {
			return nil, nil, start, pongs, Framing{errTooLarge, 513}, true
		}
		return nil, nil, start, pongs, Framing{}, false
	}
	head = rest[:i+4]
	if len(head) > maxHead {
		return head, nil, len(b), pongs, Framing{errTooLarge, 513}, true
	}
	if !cleanLines(head) {
		// Who takes a bare LF for the end of a line may read another Content-Length here, and the next message elsewhere.
		return head, nil, len(b), pongs, Framing{errLines, 400}, true
	}
	length, given, err := contentLength(head)
	if err != nil || !given && hasField(head, "content-type", "c") {
		// Without a length nothing says where the body ends and the next message begins (RFC 3261 18.3). Peers of RFC 2543 leave it
		// out of messages without a body, which can be told by their having no type either.
		return head, nil, len(b), pongs, Framing{errLength, 400}, true
	}
	if length > maxBody {
		return head, nil, len(b), pongs, Framing{errTooLarge, 513}, true
	}
	if len(rest) < len(head)+length {
		return nil, nil, start, pongs, Framing{}, false
	}
	return head, rest[len(head) : len(head)+length], start + len(head) + length, pongs, Framing{}, false
}

// contentLength reads the Content-Length of a head. Two different lengths are an error, because they can smuggle a message.
func contentLength(head []byte) (n int, given bool, err error) {
	for value := range fields(head, "content-length", "l") {
		v, bad := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if bad != nil || given && int(v) != n {
			return 0, given, errLength
		}
		n, given = int(v), true
	}
	return n, given, nil
}

// fields yields the values of a field in a head, by its long and its compact name. A value may continue on the next lines (RFC 3261 7.3.1).
func fields(head []byte, long, short string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := head; len(rest) > 0; {
			var line []byte
			line, rest = cutField(rest)
			name, value, ok := bytes.Cut(line, []byte(":"))
			if !ok || len(name) == 0 || isBlank(name[0]) {
				continue
			}
			name = bytes.TrimRight(name, " \t")
			if (bytes.EqualFold(name, []byte(long)) || bytes.EqualFold(name, []byte(short))) && !yield(value) {
				return
			}
		}
	}
}

// cutField cuts after the first line and its continuation lines.
func cutField(head []byte) (field, rest []byte) {
	for end := 0; ; end += 2 {
		i := bytes.Index(head[end:], crlf2[:2])
		if i < 0 {
			return head, nil
		}
		end += i
		if next := end + 2; next == len(head) || !isBlank(head[next]) {
			return head[:end], head[next:]
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func hasField(head []byte, long, short string) bool {
	for range fields(head, long, short) {
		return true
	}
	return false
}

// cleanLines reports whether every line of a head ends in CRLF and has no other CR, LF or NUL, except for a NUL behind a backslash (RFC 3261
// 25.1). Some stacks end a line at a bare LF, so a header could hide in the value of another one.
func cleanLines(head []byte) bool {
	for i := 0; i < len(head); i++ {
		j := bytes.IndexAny(head[i:], "\r\n\x00")
		if j < 0 {
			return true
		}
		switch i += j; {
		case head[i] == 0 && i > 0 && head[i-1] == '\\': // a quoted-pair
		case head[i] == '\r' && i+1 < len(head) && head[i+1] == '\n':
			i++
		default:
			return false
		}
	}
	return true
}

// IsToken reports whether a SIP message may begin with c.
func IsToken(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("-.!%*_+`'~"), c) >= 0
}
