package config

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Pattern is the key of a mapping or routing table: anchored at the start, open at the end unless it closes with $.
//
// The dialect is Trinity's, a regular expression (RE2), with the signs of the older SmartWare where they cannot mean anything else:
//
//   - % after . ] or ) repeats like *; anywhere else it is a character, because URIs escape with it (sip:%23...).
//   - + and * where nothing stands before them to be repeated are characters: +49, *21, (+|00)49, sip:+49.
//   - T at the end of a key of digits says "more digits follow", which an open end says anyway; it is dropped.
//   - \ makes the next sign a character: \+ \. \* \$ \( \\.
//
// Most keys are plain: characters, single wildcards and a tail, such as \+497123222, 4930....$ or sip:user.01@.+ (see Fixed). They
// are kept as a string, because a compiled expression costs kilobytes and a table may have tens of thousands of keys.
//
// A Pattern is parsed once and immutable; its zero value is the empty key, which matches everything.
type Pattern struct {
	text     string
	fixed    string      // a plain key's characters, Any for each wildcard; shares text's memory where they are the same
	program  *expression // nil for a plain key
	network  *netip.Prefix
	literals uint16 // characters of fixed that are not Any
	wild     uint16 // wildcards: less is better among keys that demand as much
	tail     tail
	closed   bool // ends in $
}

// tail is what a plain key asks of the rest of the value.
type tail uint8

const (
	tailOpen  tail = iota // anything, also nothing, and it is no part of the match
	tailAll               // .* : anything, also nothing
	tailSome              // .+ : at least one character
	tailEmpty             // $ : nothing
)

// Any stands in Fixed for one arbitrary character of the value.
const Any = '\x00'

// MaxPattern is the length of the longest key, in bytes.
const MaxPattern = 512

// PatternError says what is wrong with a key, and where.
type PatternError struct {
	Key  string
	Pos  int // byte offset in Key of what is wrong: where a caret belongs
	Text string
}

func (e *PatternError) Error() string { return "key " + e.Key + ": " + e.Text }

// ParsePattern reads a key. The error is a *PatternError.
func ParsePattern(text string) (Pattern, error) {
	if len(text) > MaxPattern {
		return Pattern{}, &PatternError{text[:MaxPattern], MaxPattern, "longer than 512 characters"}
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }); i >= 0 {
		return Pattern{}, &PatternError{text, i, "holds a character that no value can hold"}
	}
	if p, ok := plain(text); ok {
		return p, nil
	}
	e, err := compile(text)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{text: text, program: e, wild: e.wild, closed: closes(text)}, nil
}

func (p Pattern) String() string               { return p.text }
func (p Pattern) Equal(q Pattern) bool         { return p.text == q.text }
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

func (p *Pattern) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePattern(strings.TrimSpace(string(b)))
	return err
}

// Fixed returns how a value must begin to match, with Any for each single wildcard. It reports false for a key that is a regular
// expression or a network. A value that begins so need not match: the key may ask something of the rest.
func (p Pattern) Fixed() (string, bool) { return p.fixed, p.program == nil && p.network == nil }

// Prefix returns characters that every matching value begins with; may be empty.
func (p Pattern) Prefix() string {
	if p.program != nil {
		return p.program.prefix
	}
	head, _, _ := strings.Cut(p.fixed, string(rune(Any)))
	return head
}

// MaxDemand is the highest Demand that a match of this key can have.
func (p Pattern) MaxDemand() int {
	switch {
	case p.network != nil:
		return p.network.Bits()
	case p.program != nil:
		return p.program.max
	}
	return p.demand()
}

// demand is how many characters a value must have to match a plain key.
func (p Pattern) demand() int {
	n := utf8.RuneCountInString(p.fixed)
	if p.tail == tailSome {
		n++
	}
	return n
}

// plain parses a key that needs no regular expression.
func plain(text string) (p Pattern, ok bool) {
	p.text = text
	rest := strings.TrimPrefix(dropT(text), "^")
	same := rest == text // as long as fixed is text's own prefix, no copy is made
	var b []byte
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '\\':
			if i+1 == len(rest) || alphanumeric(rest[i+1]) || rest[i+1] >= utf8.RuneSelf {
				return p, false
			}
			i++
			c, same = rest[i], false
		case c == '$':
			if i+1 != len(rest) {
				return p, false
			}
			p.closed, p.tail = true, tailEmpty
			return p.finish(b, same), true
		case c == '.':
			if r, done := tailAt(rest[i:]); done {
				p.tail, p.wild, p.closed = r, p.wild+2, strings.HasSuffix(rest, "$")
				return p.finish(b, same), true
			}
			c, same = Any, false
			p.wild++
		case (c == '+' || c == '*') && (i == 0 || rest[i-1] == ':'):
		case strings.IndexByte("[()|?*+{^", c) >= 0:
			return p, false
		}
		if next := i + 1; next < len(rest) && repeats(c, rest[next]) {
			return p, false
		}
		b = append(b, c)
	}
	return p.finish(b, same), true
}

// repeats reports whether next says how often c is repeated. Nobody repeats the colon of sip:+49.
func repeats(c, next byte) bool {
	switch next {
	case '?', '{':
		return true
	case '+', '*':
		return c != ':'
	}
	return c == Any && next == '%'
}

func (p Pattern) finish(b []byte, same bool) Pattern {
	if p.fixed = p.text[:0]; same {
		p.fixed = p.text[:len(b)]
	} else {
		p.fixed = string(b)
	}
	p.literals = uint16(utf8.RuneCountInString(p.fixed)) - uint16(strings.Count(p.fixed, string(rune(Any))))
	return p
}

// tailAt reports whether s is a key's end of the form .+ .* or .% (with or without $).
func tailAt(s string) (tail, bool) {
	switch strings.TrimSuffix(s, "$") {
	case ".+":
		return tailSome, true
	case ".*", ".%":
		return tailAll, true
	}
	return 0, false
}

// dropT takes SmartWare's T from the end of a key of digits.
func dropT(text string) string {
	head, ok := strings.CutSuffix(text, "T")
	if !ok || head == "" || strings.Trim(head, `0123456789.*#+()[]-^?%\`) != "" {
		return text
	}
	return head
}

// closes reports whether text ends in a $ that is not escaped.
func closes(text string) bool {
	head, ok := strings.CutSuffix(text, "$")
	return ok && (len(head)-len(strings.TrimRight(head, `\`)))%2 == 0
}

func alphanumeric(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }
