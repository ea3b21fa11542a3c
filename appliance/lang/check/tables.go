package check

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// checkTables looks for keys and values that probably mean something else.
func checkTables(c *checker) {
	for _, s := range c.cfg.CS {
		for _, t := range s.MappingTables {
			e := entries{c, "map", t.In, map[string]bool{}}
			for _, m := range t.Maps {
				e.keys[keyText(m.Default, m.Key)] = true
			}
			for n, m := range t.Maps {
				e.mapping(c.at(t, "Maps", n), t, m)
			}
		}
		for _, t := range s.RoutingTables {
			if len(t.Routes) == 0 {
				c.add(c.headers[t], Warning, "routing-table "+t.Name+" has no routes: its calls are dropped", "")
			}
			e := entries{c, "route", t.Key, map[string]bool{}}
			for _, r := range t.Routes {
				e.keys[keyText(r.Default, r.Key)] = true
			}
			for n, r := range t.Routes {
				if !r.Default {
					w := c.at(t, "Routes", n)
					e.key(w, r.Key, strings.TrimPrefix(w.Source, "route "+quoted(r.Key.String())))
				}
			}
		}
	}
}

// entries are the lines of one table.
type entries struct {
	*checker
	word string // the first word of each line
	of   config.Property
	keys map[string]bool // in their printed form
}

func keyText(isDefault bool, k config.Pattern) string {
	if isDefault {
		return "default"
	}
	return quoted(k.String())
}

func (e entries) mapping(w Where, t *config.MappingTable, m config.Mapping) {
	rest := " to " + quoted(m.To)
	if t.Out.IsNumber() && mayBeEmpty(m.Key.String(), m.To) {
		e.add(w, Note, "the key also matches if its group is empty: the number then stays unchanged, because an empty number is never written", "")
	}
	if m.Default || !e.key(w, m.Key, rest) {
		return
	}
	key := m.Key.String()
	if better := dotsEscaped(key); better != key {
		e.instead(w, Note, `a "." in a key matches any character: write \. for a dot`, key, quoted(better), rest)
	}
	if t.In.IsNumber() && openNumber(m.Key) && !strings.Contains(m.To, `\`) {
		e.instead(w, Note, "the key also matches longer numbers with this prefix: end it with $", key, quoted(key+"$"), rest)
	}
}

// key warns about keys that match nothing, and about syntax from other dial plans. It reports whether the key is good.
func (e entries) key(w Where, k config.Pattern, rest string) bool {
	key := k.String()
	var text, better string
	switch {
	case e.of.IsNumber():
		text, better = strangeNumber(key)
	case e.of.IsURI() && !beginsAsURI(k):
		text, better = "URIs begin with sip:, sips: or tel:, so the key matches none", dotsEscaped(asURI(key))
	}
	if text == "" {
		return true
	}
	if better != "" && better != "default" {
		better = quoted(better)
	}
	e.instead(w, Warning, text, key, better, rest)
	return false
}

// instead reports a problem whose fix replaces the key of an entry: the first line removes the old entry. If the table has an entry with
// the new key already, the fix only removes the old one.
func (e entries) instead(w Where, severity Severity, text, key, better, rest string) {
	p := Problem{Path: w.Path, Source: w.Source, Severity: severity, Text: text}
	switch no := "no " + e.word + " " + quoted(key); {
	case e.keys[better]:
		p.Fix = no
	case better != "":
		p.First, p.Fix = no, e.word+" "+better+rest
	}
	e.problems = append(e.problems, p)
}

// quoted returns a key in its printed form.
func quoted(text string) string {
	if text == "default" || text == "to" || text == "map" || text == "route" {
		return `"` + text + `"`
	}
	return cli.Quote(text)
}

// others are words that people use for "everything else".
var others = []string{"*", "any", "all", "else", "other", "others", "rest", "otherwise", "_"}

// strangeNumber says what is wrong with a key for numbers, and returns the key that was probably meant.
func strangeNumber(key string) (text, better string) {
	if slices.Contains(others, strings.ToLower(key)) {
		return fmt.Sprintf("the key matches only numbers that begin with %q: for all numbers without a match, write default", key), "default"
	}
	plain := withoutSets(key)
	if strings.Trim(plain, `0123456789.*#+()?$^|\%{},XxNnZzTt_!-/ `) != "" || !strings.ContainsAny(plain, "0123456789XxZ.") {
		return "", "" // an account name, or a pattern with letters
	}
	switch {
	case strings.ContainsAny(plain, "XxNnZz_!"):
		better = besideSets(strings.TrimRight(strings.TrimPrefix(key, "_"), "!"),
			strings.NewReplacer("X", ".", "x", ".", "N", "[2-9]", "n", "[2-9]", "Z", "[1-9]", "z", "[1-9]"))
		if strings.HasPrefix(key, "_") {
			better = strings.TrimSuffix(better, ".") // its dot matches more digits, and keys are open at the end here
		}
		return "X, N, Z, _ and ! are plain characters here, which no number has: use a dot for any digit, [2-9] for a set", better
	case strings.ContainsAny(strings.TrimSuffix(plain, "T"), "Tt"):
		return "T means more digits only at the end of a key: the key matches no number", strings.NewReplacer("T", "", "t", "").Replace(key)
	case strings.ContainsAny(plain, "-/ "):
		better = besideSets(key, strings.NewReplacer("-", "", "/", "", " ", ""))
		return "numbers are compared without separators: the key matches none", better
	}
	return "", ""
}

// withoutSets removes the character sets [...] from a key.
func withoutSets(key string) string {
	for {
		head, rest, ok := strings.Cut(key, "[")
		if !ok {
			return key
		}
		_, tail, _ := strings.Cut(rest, "]")
		key = head + tail
	}
}

// besideSets replaces text outside the character sets [...] of a key.
func besideSets(key string, r *strings.Replacer) string {
	var b strings.Builder
	for {
		head, rest, ok := strings.Cut(key, "[")
		b.WriteString(r.Replace(head))
		if !ok {
			return b.String()
		}
		set, tail, _ := strings.Cut(rest, "]")
		b.WriteString("[" + set + "]")
		key = tail
	}
}

// beginsAsURI reports whether a key may match a URI.
func beginsAsURI(k config.Pattern) bool {
	head := k.Prefix()
	return slices.ContainsFunc(schemes, func(scheme string) bool {
		return strings.HasPrefix(scheme, head) || strings.HasPrefix(head, scheme)
	})
}

var schemes = []string{"sip:", "sips:", "tel:"}

// asURI turns an address as address books write it (in brackets, with a scheme in capitals, or without one) into a key for URIs.
func asURI(key string) string {
	key = strings.Trim(key, "<>")
	for _, scheme := range schemes {
		if len(key) > len(scheme) && strings.EqualFold(key[:len(scheme)], scheme) {
			return scheme + key[len(scheme):]
		}
	}
	return "sip:" + key
}

// wholeNumber is the length from which a key of digits counts as a complete number, which should end in $.
const wholeNumber = 8

// openNumber reports whether a key is a complete number without $.
func openNumber(p config.Pattern) bool {
	key := p.String()
	digits := strings.TrimPrefix(strings.TrimPrefix(key, `\`), "+")
	return len(digits) >= wholeNumber && strings.Trim(digits, "0123456789") == ""
}

// dotsEscaped escapes single dots between letters or digits of a URI: they are meant literally.
func dotsEscaped(key string) string {
	if !strings.ContainsAny(key, "@:") {
		return key
	}
	var b strings.Builder
	for i := range len(key) {
		if key[i] == '.' && i > 0 && i+1 < len(key) && wordChar(key[i-1]) && wordChar(key[i+1]) && !(i >= 2 && key[i-2] == '\\') {
			b.WriteByte('\\')
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

func wordChar(b byte) bool { return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' }

// mayBeEmpty reports whether a value made of groups alone can be empty, because all its groups can match nothing.
func mayBeEmpty(key, to string) bool {
	if len(to) < 2 || strings.Trim(to, `\123456789`) != "" {
		return false
	}
	re, err := syntax.Parse(strings.TrimPrefix(key, "^"), syntax.Perl)
	if err != nil {
		return false
	}
	for i := 0; i+1 < len(to); i += 2 {
		if to[i] != '\\' || !optionalGroup(re, int(to[i+1]-'0'), false) {
			return false
		}
	}
	return true
}

// optionalGroup reports whether group n is inside an optional part of the pattern.
func optionalGroup(re *syntax.Regexp, n int, optional bool) bool {
	if re.Op == syntax.OpCapture && re.Cap == n {
		return optional
	}
	switch re.Op {
	case syntax.OpQuest, syntax.OpStar, syntax.OpAlternate:
		optional = true
	case syntax.OpRepeat:
		optional = optional || re.Min == 0
	}
	return slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return optionalGroup(s, n, optional) })
}
