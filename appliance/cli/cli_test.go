package cli

import (
	"slices"
	"strings"
	"testing"
)

// device is a small language's configuration.
type device struct {
	Name   string
	On     bool
	Ports  []*devicePort
	Banner *banner
}

type devicePort struct {
	Number int
	Speed  int
	Duplex bool
	Slow   bool
	Tags   []string
}

func (p *devicePort) SetDefaults() { p.Speed, p.Duplex = 100, true }

type banner struct{ Text string }

var deviceLines = []Line{
	{Line: "name <name>", Into: "Name", Help: "Name"},
	{Line: "power", Into: "On", Help: "Power"},
	{Line: "port [<#number:1..99>]", Into: "Ports", Help: "A port", Prompt: "port", Lines: []Line{
		{Line: "speed <speed:10..1000>", Into: "Speed", Help: "Speed"},
		{Line: "duplex", Into: "Duplex", Help: "Duplex"},
		{Line: "mode (slow|<speed>)", Into: ".", Help: "Both"},
		{Line: "tag <#tag>", Into: "Tags", Help: "Tags"},
	}},
	{Line: "banner", Into: "Banner", Help: "A banner", Prompt: "banner", Lines: []Line{{Line: "text <text>", Into: "Text", Help: "Text"}}},
}

func TestWordsOfALine(t *testing.T) {
	for line, want := range map[string][]string{
		`a  b	c`:              {"a", "b", "c"},
		`"a b" c`:             {"a b", "c"},
		`""`:                  {""},
		`pass"word`:           {`pass"word`},
		`"never closed`:       {`"never`, "closed"},
		`"a"b`:                {`"a"b`},
		`"\1 \\" x`:           {`\1 \`, "x"},
		`"say \"hi\""`:        {`say "hi"`},
		`map (00)?49$ to \2`:  {"map", "(00)?49$", "to", `\2`},
		"a\u00a0b\r":          {"a", "b"},
		`p:a\s$s&w`:           {`p:a\s$s&w`},
		`"tail \\\" quote\\"`: {`tail \" quote\`},
	} {
		var got []string
		for _, w := range Words(line) {
			got = append(got, w.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzQuotedWordsComeBack(f *testing.F) {
	for _, s := range []string{"", "a", "a b", `"`, `\`, `a\" b`, `\\"`, "\xff \xfe", `"x"`} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		words := Words(Quote(a) + " " + Quote(b))
		if len(words) != 2 || words[0].Text != a || words[1].Text != b {
			t.Errorf("%q and %q came back as %+v", a, b, words)
		}
	})
}

func TestMistakesInATablePanic(t *testing.T) {
	for name, l := range map[string]Line{
		"no help":               {Line: "name <name>", Into: "Name"},
		"no such field":         {Line: "name <name>", Into: "Names", Help: "x"},
		"no field for argument": {Line: "port <#numbr>", Into: "Ports", Help: "x"},
		"no key":                {Line: "port <number>", Into: "Ports", Help: "x"},
		"no such kind":          {Line: "name <name:nonsense>", Into: "Name", Help: "x"},
		"bad range":             {Line: "port <#number:9..1>", Into: "Ports", Help: "x"},
		"open bracket":          {Line: "name [<name>", Into: "Name", Help: "x"},
		"no bool for keyword":   {Line: "port <#number> [fast]", Into: "Ports", Help: "x"},
		"! of a string":         {Line: "name <name>", Into: "!Name", Help: "x"},
		"mode of a string":      {Line: "name <name>", Into: "Name", Help: "x", Prompt: "name"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			New(&device{}, []Line{l}, Options{})
		})
	}
}

// run applies lines to an empty device, in the mode that each leads to.
func run(t *testing.T, table *Table, text string) *device {
	t.Helper()
	e := table.NewEditor()
	var root any = &device{}
	var path []*Match
	for _, line := range strings.Split(text, "\n") {
		layers := []Layer{{Mode: table.Root()}}
		if len(path) > 0 {
			layers = append([]Layer{{Mode: path[0].Stmt.Mode}}, layers...)
		}
		m, err := table.Match(layers, line, root)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		at := path
		if len(path) > 0 && m.Layer == 1 {
			at = nil
		}
		if root, err = e.Apply(root, at, m, nil); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m.Stmt.Mode != nil && !m.Neg {
			path = []*Match{m}
		}
	}
	return root.(*device)
}

func TestLinesPrintAsTheyRead(t *testing.T) {
	table := New(&device{}, deviceLines, Options{})
	for _, x := range []struct{ typed, printed string }{
		{"name a", "name a\n"},
		{`name "a b"`, "name \"a b\"\n"},
		{"name a\nno name", ""},
		{"power", "power\n"},
		{"no power", ""},
		{"port 2\nport 1\nport 2", "port 1\nport 2\n"},
		{"port\nport", "port 1\nport 2\n"},
		{"port 1\nspeed 10\nport 99\nspeed 10\nport", "port 1\n  speed 10\n  mode 10\n\nport 2\n\nport 99\n  speed 10\n  mode 10\n"},
		{"port 1\nspeed 100\nduplex", "port 1\n"},
		{"port 1\nspeed 10\nno duplex\ntag a\ntag b\ntag a", "port 1\n  speed 10\n  no duplex\n  mode 10\n  tag a\n  tag b\n"},
		{"port 1\ntag a\ntag b\nno tag a", "port 1\n  tag b\n"},
		{"port 1\nname x\ntag a", "name x\n\nport 1\n  tag a\n"},
		{"banner\ntext x\nno banner", ""},
		{"banner", "banner\n"},
		{"port 1\nport 2\nno port 1", "port 2\n"},
	} {
		d := run(t, table, x.typed)
		if got := string(table.Print(d, false)); got != x.printed {
			t.Errorf("%q printed as\n%swant\n%s", x.typed, got, x.printed)
		}
	}
}

func TestNearest(t *testing.T) {
	if got := nearest("called-el64", []string{"called-e164", "calling-e164", "called-uri"}, 1); !slices.Equal(got, []string{"called-e164"}) {
		t.Error(got)
	}
	if got := nearest("tls-v1.4", []string{"tls-v1.0", "tls-v1.1"}, 1); len(got) != 2 {
		t.Error(got)
	}
	if d := distance("ab", "ba", 2); d != 1 {
		t.Errorf("a swap counts %d", d)
	}
}
