package cli

import (
	"fmt"
	"reflect"
	"strings"
)

// Manual writes the reference of a mode's statements as Markdown: the header of the mode, then its lines, then the modes below it.
func (t *Table) Manual(m *Mode, title string) string {
	var b strings.Builder
	b.WriteString(title + "\n")
	manualMode(&b, m, nil)
	return b.String()
}

func manualMode(b *strings.Builder, m *Mode, path []string) {
	for _, s := range m.stmts {
		manualStmt(b, s)
	}
	for _, s := range m.stmts {
		if s.Mode == nil {
			continue
		}
		inner := append(path[:len(path):len(path)], s.Line.Line)
		fmt.Fprintf(b, "\n## %s\n\n", code(strings.Join(plainPath(inner), " / ")))
		fmt.Fprintf(b, "%s. Prompt `(%s)`.\n", s.Help, s.Prompt)
		if len(s.Mode.stmts) == 0 {
			b.WriteString("\nIt has no lines of its own.\n")
		}
		manualMode(b, s.Mode, inner)
	}
}

func plainPath(lines []string) []string {
	var out []string
	for _, l := range lines {
		n, _ := parsePattern(l)
		out = append(out, n.String())
	}
	return out
}

func code(text string) string { return "`" + text + "`" }

func manualStmt(b *strings.Builder, s *Stmt) {
	no := ""
	if s.kind != kindArgs {
		no = "[no] "
	}
	fmt.Fprintf(b, "\n### %s\n\n%s.\n", code(no+s.pattern.String()), s.Help)
	for _, n := range s.also {
		fmt.Fprintf(b, "Also accepted: %s.\n", code(n.String()))
	}
	if s.Note != "" {
		fmt.Fprintf(b, "Note: %s.\n", s.Note)
	}
	var items []string
	for _, a := range s.args {
		items = append(items, fmt.Sprintf("- `<%s>`: %s", a.name, manualArg(s, a)))
	}
	if len(items) > 0 {
		b.WriteString("\n" + strings.Join(items, "\n") + "\n")
	}
	if s.kind == kindBool {
		state := "off"
		if s.owner.Type != nil && s.boolDefault() != s.inverted {
			state = "on"
		}
		fmt.Fprintf(b, "\nDefault: %s.\n", state)
	}
	if s.Example != "" {
		fmt.Fprintf(b, "\nExample: %s\n", code(s.Example))
	}
}

func (s *Stmt) boolDefault() bool {
	return withDefaults(s.owner.Type).FieldByIndex(s.field).Bool()
}

func manualArg(s *Stmt, a *arg) string {
	var parts []string
	if len(a.typ.Words) > 0 {
		if a.typ.Parse != nil {
			parts = append(parts, a.hint())
		}
		parts = append(parts, code(strings.Join(a.typ.Words, "`, `")))
	} else {
		parts = append(parts, a.hint())
	}
	if a.key && a == s.index {
		parts = append(parts, "appended when left out")
	}
	if def := s.argDefault(a); def != "" {
		parts = append(parts, "default "+def)
	}
	return strings.Join(parts, "; ") + "."
}

// argDefault returns the printed default of an argument, or "".
func (s *Stmt) argDefault(a *arg) string {
	var v reflect.Value
	switch s.kind {
	case kindScalar:
		v = withDefaults(s.owner.Type).FieldByIndex(s.field)
	case kindSelf, kindArgs, kindList, kindStruct, kindPtr:
		if a.key || a.field == nil {
			return ""
		}
		v = a.of(withDefaults(s.elem))
	}
	if !v.IsValid() || v.IsZero() {
		return ""
	}
	return a.print(v)
}

// Reached returns the fields of type typ that some statement of the table reaches, by the index path as text.
func (t *Table) Reached() map[reflect.Type]map[string]bool {
	reached := map[reflect.Type]map[string]bool{}
	mark := func(typ reflect.Type, index []int) {
		for i := range index {
			if typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			f := typ.Field(index[i])
			if reached[typ] == nil {
				reached[typ] = map[string]bool{}
			}
			reached[typ][f.Name] = true
			typ = f.Type
		}
	}
	var words func(n node, f func(*word))
	words = func(n node, f func(*word)) {
		switch n := n.(type) {
		case *word:
			f(n)
		case *seq:
			for _, x := range n.nodes {
				words(x, f)
			}
		case *optional:
			words(n.node, f)
		case *anyOrder:
			for _, x := range n.opts {
				words(x, f)
			}
		case *alternatives:
			for _, x := range n.nodes {
				words(x, f)
			}
		}
	}
	var visit func(m *Mode)
	visit = func(m *Mode) {
		for _, s := range m.stmts {
			mark(m.Type, s.field)
			for _, a := range s.args {
				mark(s.elem, a.field)
			}
			words(s.pattern, func(w *word) { mark(s.elem, w.flag) })
			if s.Mode != nil {
				visit(s.Mode)
			}
		}
	}
	visit(t.root)
	return reached
}
