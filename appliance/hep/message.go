package hep

import (
	"bytes"
)

// secretWords stand in every message with a secret, save in a URI with a password.
var secretWords = [][]byte{[]byte("inline:"), []byte("k="), []byte("key-mgmt"), []byte("ice-pwd"), []byte("authori"), []byte("authenti"), []byte("dtmf")}

// maySpill reports whether a message may hold what package masking hides. Most do not, and need not be copied once more. lower is room
// for the message in small letters; it is returned.
func maySpill(m, lower []byte) (bool, []byte) {
	lower = lower[:0]
	for _, c := range m {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	for _, word := range secretWords {
		if bytes.Contains(lower, word) {
			return true, lower
		}
	}
	colons := 0 // since the last blank: sip:user:password@host has two
	for _, c := range lower {
		switch c {
		case ' ', '\t', '\r', '\n', '<', '>', '"':
			colons = 0
		case ':':
			colons++
		case '@':
			if colons > 1 {
				return true, lower
			}
			colons = 0
		}
	}
	return false, lower
}
