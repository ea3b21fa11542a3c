package sipmsg

import "bytes"

// CallIDOf is the Call-ID of a message that has not been parsed, a part of m; nil where there is none. For those who look on: what the box
// acts on comes from Parse.
func CallIDOf(m []byte) []byte {
	for len(m) > 0 {
		line, below, _ := bytes.Cut(m, []byte{'\n'})
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return nil // the body follows
		}
		if name, value, ok := bytes.Cut(line, []byte{':'}); ok {
			if name = bytes.TrimRight(name, " \t"); bytes.EqualFold(name, []byte("call-id")) || bytes.EqualFold(name, []byte("i")) {
				return bytes.TrimSpace(Unfolded(value, below))
			}
		}
		m = below
	}
	return nil
}

// Unfolded is the value of a header that may go on in the line below it (RFC 3261 7.3.1): only a line without a value is looked at.
func Unfolded(value, below []byte) []byte {
	if len(below) == 0 || below[0] != ' ' && below[0] != '\t' || len(bytes.TrimSpace(value)) > 0 {
		return value
	}
	line, _, _ := bytes.Cut(below, []byte{'\n'})
	return line
}
