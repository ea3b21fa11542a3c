package snmp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// oid is an object identifier.
type oid []uint32

// maxOID is the length of an object identifier (RFC 2578 3.5).
const maxOID = 128

// and appends to a copy.
func (o oid) and(more ...uint32) oid { return slices.Concat(o, more) }

func (o oid) has(prefix oid) bool {
	return len(o) >= len(prefix) && slices.Equal(o[:len(prefix)], prefix)
}

// String writes it as gosnmp wants it.
func (o oid) String() string {
	b := make([]byte, 0, 4*len(o))
	for _, n := range o {
		b = strconv.AppendUint(append(b, '.'), uint64(n), 10)
	}
	return string(b)
}

// readOID reads what gosnmp has read from a message.
func readOID(text string) (oid, error) {
	words := strings.Split(strings.TrimPrefix(text, "."), ".")
	if len(words) > maxOID {
		return nil, fmt.Errorf("an object identifier has %d parts", len(words))
	}
	o := make(oid, len(words))
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("object identifier: %w", err)
		}
		o[i] = uint32(n)
	}
	return o, nil
}
