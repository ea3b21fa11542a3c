package lang

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/command"
)

// A cure is pasted as it stands, so every line of it must be understood where it is: by the console after `enable`.
func TestEveryCureOfAnAlarmIsUnderstood(t *testing.T) {
	l := New()
	n := 0
	for id, text := range alarmTexts() {
		var cure []string
		for line := range strings.Lines(text) {
			if line, is := strings.CutPrefix(strings.TrimRight(line, "\n"), "    "); is {
				cure = append(cure, sample(line))
			}
		}
		n += len(cure)
		if slices.Equal(cure, []string{"X"}) { // {undo}, which package drain tests
			continue
		}
		l.wantUnderstood(t, id, cure)
	}
	if n < 15 {
		t.Errorf("only %d lines were looked at", n)
	}
}

// The cures of checks are in their sources. What a cure puts in is replaced by something of its kind.
func TestEveryCureOfACheckIsUnderstood(t *testing.T) {
	l := New()
	n := 0
	inSources(t, "../checkup", func(file string, x ast.Node) {
		call, is := x.(*ast.CallExpr)
		if !is {
			return
		}
		if f, is := call.Fun.(*ast.SelectorExpr); !is || f.Sel.Name != "paste" {
			return
		}
		args := call.Args
		var cure []string
		if _, is := args[0].(*ast.Ident); is && call.Ellipsis.IsValid() {
			return // lines that were made before, which checkup tests
		}
		if len(args) == 1 {
			if more, is := args[0].(*ast.CallExpr); is {
				if _, is := more.Args[0].(*ast.Ident); is && call.Ellipsis.IsValid() { // append(cure, "end")
					return
				}
				if call.Ellipsis.IsValid() { // append(x.side.path(), ...)
					cure, args = []string{"configure", "context ip X", "interface X"}, more.Args[1:]
				}
			}
		}
		for _, a := range args {
			if text, is := literal(a); is {
				cure = append(cure, sample(text))
			}
		}
		n += len(cure)
		l.wantUnderstood(t, file, cure)
	})
	if n < 20 {
		t.Errorf("only %d lines were looked at", n)
	}
}

// What stands between backquotes in the words of a cure is typed as it stands, or begins a line.
func TestEveryLineInTheWordsOfACureIsUnderstood(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	modes := [][]string{nil}
	c.types("configure")
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(strings.TrimSpace(line))
		modes = append(modes, c.s.Mode)
	}
	c.types("end", "configure", "call-records")
	modes = append(modes, c.s.Mode)
	c.types("exit", "redundancy")
	modes = append(modes, c.s.Mode)
	c.types("exit", "profile acl X")
	modes = append(modes, c.s.Mode)
	slices.SortFunc(modes, slices.Compare)
	modes = slices.CompactFunc(modes, slices.Equal)

	n := 0
	alarms := alarmTexts()
	look := func(where, text string) {
		for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(text, -1) {
			n++
			line := sample(strings.Trim(quoted, "`"))
			first, _, _ := strings.Cut(line, " ")
			if _, is := alarms[line]; is || slices.Contains(otherWords, first) || slices.ContainsFunc(modes, func(mode []string) bool { return l.startsALine(c, mode, line) }) {
				continue
			}
			t.Errorf("%s: nothing understands %s (tried %q)", where, quoted, line)
		}
	}
	for id, text := range alarms {
		look(id, text)
	}
	inSources(t, "../checkup", func(file string, x ast.Node) {
		if s, is := x.(*ast.BasicLit); is && s.Kind == token.STRING && !strings.HasPrefix(s.Value, "`") && !strings.HasSuffix(file, "manual.go") && !strings.HasSuffix(file, "federation.go") {
			text, _ := strconv.Unquote(s.Value)
			look(file, text)
		}
	})
	if n < 60 {
		t.Errorf("only %d lines were looked at", n)
	}
}

// otherWords begin what is no line of the box: parts of a line named before, values, and commands of the tenant's administrator or at the hub.
var otherWords = []string{"size", "df", "force", "microsoft-teams", "g711ulaw64k", "g722", "g729", "New-CsOnlinePSTNGateway", "Set-CsOnlinePSTNGateway",
	"calls-per-second-per-source", "forced", "syslog-client", "hep-client", "metrics-server", "hub", "ca", "pin"}

// alarmTexts are the parts of docs/alarms.md, by the ids of the alarms.
func alarmTexts() map[string]string {
	parts := map[string]string{}
	for _, part := range strings.Split(health.Manual(), "\n## ")[1:] {
		id, text, _ := strings.Cut(part, "\n")
		parts[id] = text
	}
	return parts
}

// inSources calls f with every node of the sources of a package.
func inSources(t *testing.T, dir string, f func(file string, x ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(x ast.Node) bool {
			f(filepath.Base(name), x)
			return true
		})
	}
}

// literal is the text of an expression as far as it stands there; what is put in at run time is a verb.
func literal(x ast.Expr) (text string, is bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, _ := literal(x.X)
		right, _ := literal(x.Y)
		return left + right, true
	case *ast.CallExpr:
		if f, is := x.Fun.(*ast.SelectorExpr); is && f.Sel.Name == "Sprintf" {
			return literal(x.Args[0])
		}
	}
	return "%s", true
}

var samples = []struct{ from, to string }{
	{`port ethernet %d %d`, "port ethernet 0 1"}, {`port ethernet 0 N`, "port ethernet 0 1"}, {`A\.B\.C\.D/N`, "192.0.2.1/24"}, {`A\.B\.C\.D|%d\.%d`, "192.0.2.1"},
	{`pki trust add (\{[a-z]+\}|%s)`, "pki trust add " + strings.Repeat("0a", 32)}, {`(server|remote|media-address) %s`, "$1 192.0.2.1"}, {`media-ports %d %d`, "media-ports 20000 30000"},
	{`import %s`, "import pki:certificate/X"}, {`codec N`, "codec 1"}, {`NUMBER`, "52"}, {`PORT|%d`, "1400"}, {`NAME|HOST|KEY|PASSWORD|%s|%v|\{[a-z]+\}`, "X"},
}

// sample puts something of its kind into each place of a line that something is put into.
func sample(line string) string {
	for _, s := range samples {
		line = regexp.MustCompile(s.from).ReplaceAllString(line, s.to)
	}
	return line
}

// startsALine reports whether the console takes a line in a mode, or wants more of it.
func (l *Language) startsALine(c *console, mode []string, line string) bool {
	cfg := c.box.Running()
	p := l.resolve(cfg, mode)
	modes := []cli.Layer{{Mode: l.admin}}
	if len(mode) > 0 {
		p.level = command.Configuring
		layers, _ := l.layers(cfg, p)
		modes = append(layers[:max(1, len(layers)-1)], modes...)
	}
	for _, more := range []string{"", " X", " 192.0.2.1", " 1400", " g722", " forced", " 0.0.0.0/0 gateway 192.0.2.1", " 20000 30000", " from-header X", " gateway 192.0.2.1", " rtp", " X to X", " X called-e164 1", " https://x.example/", " ethernet 0 0"} {
		if _, err := l.table.Match(modes, line+more, cfg); err == nil {
			return true
		}
	}
	return false
}

// wantUnderstood pastes a cure. Commands are looked up and not run.
func (l *Language) wantUnderstood(t *testing.T, where string, cure []string) {
	t.Helper()
	c := newConsole(l)
	c.types("enable")
	for _, line := range cure {
		cfg := c.box.Running()
		p := l.resolve(cfg, c.s.Mode)
		var modes []cli.Layer
		if p.level == command.Configuring {
			modes, _ = l.layers(cfg, p)
		}
		m, err := l.table.Match(append(modes, cli.Layer{Mode: l.commands(p.level)}), line, cfg)
		if err != nil {
			t.Errorf("%s: %q of %q: %v", where, line, cure, err)
			return
		}
		if m.Layer < len(modes) || line == "configure" || line == "end" {
			if out := c.types(line); c.err != nil {
				t.Errorf("%s: %q of %q: %s", where, line, cure, out)
			}
		}
	}
	if p := l.resolve(c.box.Running(), c.s.Mode); p.level == command.Configuring {
		t.Errorf("%s: %q ends in the configuration", where, cure)
	}
}
