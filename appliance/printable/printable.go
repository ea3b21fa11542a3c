// Package printable shows text of strangers. What a peer sends (names, numbers, reasons, subjects of certificates, host names of a
// lease) reaches terminals, logs, records and metrics. There an escape sequence steers the terminal, a line end forges a line of the
// box, a bidirectional mark turns a command around and an invisible character hides in a name.
//
// Every function shows such characters as Go writes them: \x1b, \u202e. Text stays as it is otherwise, so a value that was cleaned
// twice is the same as one that was cleaned once.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Max is the length in characters of a foreign value where it is shown: longer than any number, name or reason that means something.
const Max = 256

// marks is how many combining marks in a row belong to a letter. More of them reach into the lines above and below.
const marks = 4

// Text makes a foreign value one line of at most Max characters.
func Text(s string) string { return Short(s, Max) }

// Short makes a foreign value one line of at most n characters. The end of a longer one is replaced by "...".
func Short(s string, n int) string {
	// A character has four octets at most. What lies far behind the limit need not be looked at.
	limit := n*utf8.UTFMax + utf8.UTFMax
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = Line(s)
	if !cut && (len(s) <= n || utf8.RuneCountInString(s) <= n) {
		return s
	}
	const end = "..."
	keep := max(0, n-len(end))
	for i := range s {
		if keep--; keep < 0 {
			return s[:i] + end[:min(n, len(end))]
		}
	}
	return s
}

// Line makes text one line, whatever its length.
func Line(s string) string { return clean(s, "") }

// Lines makes text of several lines printable. Line ends and tabs stay.
func Lines(s string) string { return clean(strings.ReplaceAll(s, "\r\n", "\n"), "\n\t") }

// clean replaces each character that is neither printable nor one of keep.
func clean(s, keep string) string {
	if plain(s, keep) {
		return s
	}
	var b strings.Builder
	inRow := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			inRow++
		} else {
			inRow = 0
		}
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strings.ContainsRune(keep, r), visible(r) && inRow <= marks:
			b.WriteString(s[i : i+n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// plain reports that nothing needs to be replaced: nearly all text is printable ASCII.
func plain(s, keep string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && strings.IndexByte(keep, c) < 0 {
			return false
		}
	}
	return true
}

// visible reports whether a character takes a place of its own on a line and shows what it is. Letters without ink (the Hangul fillers)
// and variation selectors count as printable in Unicode; what they hide is a name that looks like another one.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != '\u2800' && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// JSON makes a text of JSON printable, and says the same: characters beside ASCII stand only in its strings, which have escapes of their own.
func JSON(text []byte) []byte {
	s := string(text)
	if plain(s, "\n") {
		return text
	}
	var b strings.Builder
	inRow := 0
	for _, r := range s {
		if unicode.Is(unicode.M, r) {
			inRow++
		} else {
			inRow = 0
		}
		if r == '\n' || visible(r) && inRow <= marks {
			b.WriteRune(r)
			continue
		}
		for _, half := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, half)
		}
	}
	return []byte(b.String())
}
