package sipmsg

import "bytes"

const (
	MaxFields = 256  // header fields of a message
	MaxField  = 8192 // octets of one, folded lines included
)

// tooLarge reports whether a head is larger than any real one. Such a head costs its reader much more than its sender.
func tooLarge(head []byte) bool {
	if len(head) > maxHead {
		return true
	}
	fields, size := 0, 0
	for line := range bytes.SplitSeq(head, crlf2[:2]) {
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			fields, size = fields+1, 0
		}
		if size += len(line); size > MaxField || fields > MaxFields {
			return true
		}
	}
	return false
}

// essentials reduces a head to the fields that a refusal repeats.
func essentials(head []byte) []byte {
	var out []byte
	for len(head) > 0 {
		var line []byte
		line, head = cutField(head)
		name, _, _ := bytes.Cut(line, []byte(":"))
		if len(out) == 0 || repeatedInRefusals[string(bytes.ToLower(bytes.TrimRight(name, " \t")))] && len(out)+len(line) < MaxField {
			out = append(append(out, line...), crlf2[:2]...)
		}
	}
	return append(out, crlf2[:2]...)
}

var repeatedInRefusals = map[string]bool{"via": true, "v": true, "from": true, "f": true, "to": true, "t": true, "call-id": true, "i": true, "cseq": true}
