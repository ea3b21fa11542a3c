package route

import "encoding/binary"

// maxPacked is how many octets of a way through the tables are kept. The longest ways are those of hunt groups with many destinations,
// whose last ones say the least.
const (
	maxPacked = 4 << 10
	maxMapped = 128 // characters of a value
)

// Pack writes a trace into one piece of memory without pointers: it is kept as long as its call, and only shown afterwards.
func Pack(trace []Step) []byte {
	size := 0
	for i := range trace {
		s := &trace[i]
		size += len(s.Table) + len(s.Entry) + len(s.Action) + min(len(s.Before), maxMapped) + min(len(s.After), maxMapped) + 10
	}
	b := make([]byte, 0, min(size, maxPacked))
	for i := range trace {
		s := &trace[i]
		whole := len(b)
		for _, field := range [...]string{s.Table, s.Entry, s.Action, s.Before, s.After} {
			field = field[:min(len(field), maxMapped)]
			b = binary.AppendUvarint(b, uint64(len(field)))
			b = append(b, field...)
		}
		if len(b) > maxPacked {
			b = b[:whole]
			break
		}
	}
	return b
}

// Unpack reads what Pack has written.
func Unpack(b []byte) (list []Step) {
	s := string(b) // of which all fields are parts
	next := func() string {
		n, size := binary.Uvarint(b)
		end := size + int(n)
		field := s[size:end]
		b, s = b[end:], s[end:]
		return field
	}
	for len(b) > 0 {
		list = append(list, Step{Table: next(), Entry: next(), Action: next(), Before: next(), After: next()})
	}
	return list
}
