package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Typographic characters that word processors and printed manuals use for " and -.
const (
	doubleQuotes = "“”„‟«»″＂"
	singleQuotes = "‘’‚‛′"
	dashes       = "‐‑‒–—―−"
)

// unseen has the names of invisible characters; others are named by their number.
var unseen = map[rune]string{
	'\u00a0': "no-break space",
	'\u00ad': "soft hyphen",
	'\u061c': "direction mark",
	'\u200b': "zero-width space",
	'\u200c': "zero-width non-joiner",
	'\u200d': "zero-width joiner",
	'\u200e': "direction mark",
	'\u200f': "direction mark",
	'\u202a': "direction mark",
	'\u202b': "direction mark",
	'\u202c': "direction mark",
	'\u202d': "direction mark",
	'\u202e': "direction mark",
	'\u2060': "word joiner",
	'\u2066': "direction mark",
	'\u2067': "direction mark",
	'\u2068': "direction mark",
	'\u2069': "direction mark",
	'\u034f': "grapheme joiner",
	'\u2800': "blank of Braille",
	'\u3164': "Hangul filler",
	'\ufeff': "byte order mark",
}

// isUnseen reports whether r is invisible, or cannot be told from another character.
func isUnseen(r rune) bool {
	_, known := unseen[r]
	return known || unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || unicode.IsSpace(r) && r != ' ' && r != '\t'
}

// misread finds the first character of a line that is not what it looks like: an invisible character, invalid text, or a typographic
// quotation mark or dash outside quotes. It returns nil if there is none.
func misread(line string) *Error {
	if strings.IndexFunc(line, func(r rune) bool { return (r < ' ' || r >= 0x7f) && r != '\t' }) < 0 {
		return nil
	}
	for _, w := range Words(line) {
		text := line[w.Start:w.End]
		for i, r := range text {
			if what, cure := misreadRune(text[i:], r, i == 0, w.Quoted); what != "" {
				at := w.Start + i
				return &Error{Col: at, Text: fmt.Sprintf("%s at column %d%s", what, utf8.RuneCountInString(line[:at])+1, cure)}
			}
		}
	}
	return nil
}

// Legible reports whether a line takes text between quotes as it is: it is UTF-8, without control, invisible or lost characters. Quote writes it.
func Legible(text string) bool {
	for i, r := range text {
		if what, _ := misreadRune(text[i:], r, false, true); what != "" {
			return false
		}
	}
	return true
}

// misreadRune describes the problem with the rune r at the beginning of rest, and the cure; "" if there is no problem.
func misreadRune(rest string, r rune, first, quoted bool) (what, cure string) {
	switch {
	case r == utf8.RuneError:
		if _, size := utf8.DecodeRuneInString(rest); size == 1 {
			return fmt.Sprintf("byte 0x%02x", rest[0]), " is not UTF-8 text"
		}
		return "a character that was lost when the text was converted (U+FFFD)", ""
	case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0:
		return fmt.Sprintf("a control character (0x%02x)", r), ""
	case isUnseen(r):
		return fmt.Sprintf("a %s (U+%04X)", nameOf(r), r), ""
	case quoted:
		return "", ""
	case strings.ContainsRune(doubleQuotes, r), first && strings.ContainsRune(singleQuotes, r):
		return fmt.Sprintf("a printed quotation mark (%c)", r), `: write ", or put the whole word into " "`
	case strings.ContainsRune(dashes, r):
		return fmt.Sprintf("a printed dash (%c, U+%04X)", r, r), `: write -, or put the word into " "`
	}
	return "", ""
}

// nameOf returns the name of an invisible character.
func nameOf(r rune) string {
	if name := unseen[r]; name != "" {
		return name
	}
	return "character that cannot be seen"
}

// oddBlank names an unusual blank in a line, which may have split a word; "" if there is none.
func oddBlank(line string) string {
	i := strings.IndexFunc(line, func(r rune) bool { return isUnseen(r) && unicode.IsSpace(r) && r > ' ' })
	if i < 0 {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(line[i:])
	return fmt.Sprintf(" (a %s, U+%04X, at column %d parts words)", nameOf(r), r, utf8.RuneCountInString(line[:i])+1)
}

// seen returns a line without invisible characters, as a reader sees it.
func seen(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, isUnseen(r):
			return -1
		case strings.ContainsRune(dashes, r):
			return '-'
		}
		return r
	}, line)
}

// mustQuote reports whether a word needs quotes to be read back.
func mustQuote(text string) bool {
	if text == "" || text[0] == '"' || strings.IndexFunc(text, unicode.IsSpace) >= 0 || strings.ContainsAny(text, doubleQuotes+dashes) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(text)
	return strings.ContainsRune(singleQuotes, r)
}
