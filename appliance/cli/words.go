package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Word is one word of a typed line.
type Word struct {
	Text       string // without quotes
	Start, End int    // byte offsets in the line, quotes included
	Quoted     bool
}

// Words splits a line at blanks. A word that begins with a quote extends to the closing quote. In between, a backslash is special only
// before a quote (two of them mean one backslash there), so patterns need no escapes. A quote that is never closed, or is inside a word,
// is a plain character: passwords are taken verbatim. Typographic quotes count as ".
func Words(line string) []Word {
	var words []Word
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		read := quoted
		if strings.ContainsRune(doubleQuotes, r) {
			read = printedQuotes
		}
		if r == '"' || strings.ContainsRune(doubleQuotes, r) {
			if text, end, ok := read(line, i); ok {
				words = append(words, Word{Text: text, Start: i, End: end, Quoted: true})
				i = end
				continue
			}
		}
		end := strings.IndexFunc(line[i:], unicode.IsSpace)
		if end < 0 {
			end = len(line) - i
		}
		words = append(words, Word{Text: line[i : i+end], Start: i, End: i + end})
		i += end
	}
	return words
}

// quoted reads the quoted word at line[start].
func quoted(line string, start int) (text string, end int, ok bool) {
	var b strings.Builder
	backslashes := 0
	for i := start + 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			backslashes++
		case c == '"':
			b.WriteString(strings.Repeat(`\`, backslashes/2))
			if backslashes%2 == 1 {
				b.WriteByte('"')
				backslashes = 0
				continue
			}
			r, _ := utf8.DecodeRuneInString(line[i+1:])
			if i+1 < len(line) && !unicode.IsSpace(r) {
				return "", 0, false
			}
			return b.String(), i + 1, true
		default:
			b.WriteString(strings.Repeat(`\`, backslashes))
			backslashes = 0
			b.WriteByte(c)
		}
	}
	return "", 0, false
}

// printedQuotes reads a word at line[start] in typographic quotes.
func printedQuotes(line string, start int) (text string, end int, ok bool) {
	_, n := utf8.DecodeRuneInString(line[start:])
	begin := start + n
	for i, r := range line[begin:] {
		if r != '"' && !strings.ContainsRune(doubleQuotes, r) {
			continue
		}
		end = begin + i + utf8.RuneLen(r)
		next, _ := utf8.DecodeRuneInString(line[end:])
		return line[begin : begin+i], end, end == len(line) || unicode.IsSpace(next)
	}
	return "", 0, false
}

// QuoteValue quotes text in any case: what looks like a keyword, or like a quotation, stays one word and the value of a parameter.
func QuoteValue(text string) string {
	quoted := Quote(" " + text)
	return quoted[:1] + quoted[2:]
}

// Quote quotes text, if necessary, so that Words returns it as one word.
func Quote(text string) string {
	if !mustQuote(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	backslashes := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			backslashes++
			b.WriteByte(c)
			continue
		case '"':
			b.WriteString(strings.Repeat(`\`, backslashes+1))
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
		backslashes = 0
	}
	b.WriteString(strings.Repeat(`\`, backslashes))
	b.WriteByte('"')
	return b.String()
}
