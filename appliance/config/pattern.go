package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Pattern is the key of a mapping or routing table: anchored at the start, open at the end unless it closes with $.
// It is compiled once, when it is parsed, and immutable after that.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

// ParsePattern compiles a key.
func ParsePattern(text string) (Pattern, error) {
	re, err := regexp.Compile("^(?:" + text + ")")
	if err != nil {
		return Pattern{}, fmt.Errorf("key %q: %w", text, err)
	}
	return Pattern{text: text, re: re}, nil
}

func (p Pattern) String() string               { return p.text }
func (p Pattern) Equal(q Pattern) bool         { return p.text == q.text }
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

func (p *Pattern) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePattern(strings.TrimSpace(string(b)))
	return err
}
