package call_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// scenario is one file of testdata/scenarios; the README there says what may stand in it.
type scenario struct {
	name   string
	proves []string // points of docs/teams.md, for example "A.27"
	steps  []step
}

// step is a line at the margin with the indented lines below it.
type step struct {
	where   string // FILE:LINE, for errors
	words   []string
	options map[string]string // of the brackets at the end of the line: [tag b] is options["tag"] = "b"
	block   []string
}

// text is the line from word n on.
func (s step) text(n int) string {
	if n >= len(s.words) {
		return ""
	}
	return strings.Join(s.words[n:], " ")
}

// understands are the options that a step of this kind may have.
func (s step) understands() []string {
	switch {
	case slices.Contains(s.words, ">"):
		return []string{"connection", "refused", "tag", "tcp", "to", "untagged"}
	case slices.Contains(s.words, "<"):
		return []string{"connection", "same", "to", "transport"}
	}
	return []string{"call"}
}

func (s step) has(option string) bool { _, ok := s.options[option]; return ok }

var option = regexp.MustCompile(`\s*\[([^\]]*)\]\s*$`)

func readScenario(file string) (*scenario, error) {
	s := &scenario{name: strings.TrimSuffix(filepath.Base(file), ".sip")}
	return s, s.read(file)
}

func (s *scenario) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		where := fmt.Sprintf("%s:%d", filepath.Base(file), n)
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if len(s.steps) == 0 {
				return fmt.Errorf("%s: indented, but there is no step above", where)
			}
			last := &s.steps[len(s.steps)-1]
			last.block = append(last.block, trimmed)
		default:
			st := step{where: where, options: map[string]string{}}
			for {
				m := option.FindStringSubmatchIndex(line)
				if m == nil {
					break
				}
				name, value, _ := strings.Cut(line[m[2]:m[3]], " ")
				st.options[name] = value
				line = line[:m[0]]
			}
			st.words = strings.Fields(line)
			for name := range st.options {
				if !slices.Contains(st.understands(), name) {
					return fmt.Errorf("%s: nobody looks at [%s] here", where, name)
				}
			}
			switch st.words[0] {
			case "proves":
				for _, p := range st.words[1:] {
					s.proves = append(s.proves, strings.Trim(p, ","))
				}
			case "use":
				if err := s.read(filepath.Join(filepath.Dir(file), st.text(1)+".part")); err != nil {
					return fmt.Errorf("%s: %w", where, err)
				}
			default:
				s.steps = append(s.steps, st)
			}
		}
	}
	return nil
}

// variables are the {names} of a scenario.
type variables map[string]string

// expand fills variables into a line that is sent.
func (v variables) expand(line string) (string, error) {
	var unknown []string
	out := variable.ReplaceAllStringFunc(line, func(m string) string {
		value, ok := v[m[1:len(m)-1]]
		if !ok {
			unknown = append(unknown, m)
		}
		return value
	})
	if unknown != nil {
		return "", fmt.Errorf("%s is not known here", strings.Join(unknown, ", "))
	}
	return out, nil
}

var variable = regexp.MustCompile(`\{[a-zA-Z][a-zA-Z0-9._/-]*\}`)

// match compares a value with a pattern: * stands for anything, {name} for the variable's value, or for anything that then becomes
// its value; \ takes the next character literally. A mismatch changes no variable.
func (v variables) match(pattern, value string) bool {
	var re strings.Builder
	re.WriteString(`(?s)^`)
	var names []string
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case c == '*':
			re.WriteString(`.*`)
		case c == '{' && variable.MatchString(pattern[i:]) && variable.FindStringIndex(pattern[i:])[0] == 0:
			name := variable.FindString(pattern[i:])
			i += len(name) - 1
			if known, ok := v[name[1:len(name)-1]]; ok {
				re.WriteString(regexp.QuoteMeta(known))
			} else {
				names = append(names, name[1:len(name)-1])
				re.WriteString(`(.+?)`)
			}
		default:
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	m := regexp.MustCompile(re.String() + `$`).FindStringSubmatch(value)
	if m == nil {
		return false
	}
	for i, name := range names {
		v[name] = m[i+1]
	}
	return true
}

func (v variables) clone() variables { return maps.Clone(v) }
