package lang

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"viaduct/appliance/config"
	"viaduct/appliance/pasted"
)

// Each file of testdata/paste holds a paste and what became of it: the configuration that it made and what was said. Typed line by line,
// run together and read as a file it makes the same.
func TestPastes(t *testing.T) {
	files, err := filepath.Glob("testdata/paste/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	l := New()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			paste := string(section(a, "paste"))
			typed := configuringConsole(l)
			said := typed.types(strings.Split(strings.TrimSuffix(paste, "\n"), "\n")...)
			var end strings.Builder
			l.SayLeftOut(typed.box, &typed.s, &end)
			parsed, problems := l.Parse([]byte(paste))
			same(t, typed.box.cfg, parsed)
			same(t, typed.box.cfg, ranTogether(t, l, strings.Split(paste, "\n")))
			for i := range problems {
				problems[i].File = "paste"
			}
			a.Files = []txtar.File{
				{Name: "paste", Data: []byte(paste)},
				{Name: "running-config", Data: l.Print(typed.box.cfg, false)},
				{Name: "said", Data: []byte(said + end.String())},
				{Name: "problems", Data: []byte(problemLines(problems))},
			}
			golden(t, file, string(txtar.Format(a)))
		})
	}
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// ranTogether is what lines make that run as one change, as far as they can.
func ranTogether(t *testing.T, l *Language, lines []string) *config.Config {
	t.Helper()
	b, s := newBox(), &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}
	for len(lines) > 0 {
		ran, err := l.ExecBatch(t.Context(), b, s, lines)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range ran {
			s.Mode = r.Result.Mode
		}
		if lines = lines[len(ran):]; len(lines) > 0 {
			r, _ := l.Exec(context.Background(), b, s, lines[0], nil, &strings.Builder{})
			s.Mode, lines = r.Mode, lines[1:]
		}
	}
	return b.cfg
}

// strangers are headers of blocks that the box does not know, with the indentation of the lines in front of which they may stand.
var strangers = map[string]int{
	"interface gsm X": 2, "service carousel X": 2, "routing-table called-moon X": 2, "mapping-table moon to called-e164 X": 2, "gizmo X": 2,
	"port satellite 0 0": 0, "profile phantom X": 0, "context vrf X": 0, "port ethernet 0 9": 0, "location-service": 0, "gizmo": 0,
	"interface fxs X": 2, "port bri 0 0": 0, "profile ppp X": 0, "system": 0,
}

// A block that is not understood changes nothing, whatever lines it holds and wherever it stands, with and without indentation.
func TestABlockThatIsNotUnderstoodChangesNothing(t *testing.T) {
	l := New()
	want, problems := l.Parse(reference(t, "starface-teams.cfg"))
	if len(problems) > 0 {
		t.Log(problemLines(problems))
	}
	lines := strings.Split(strings.TrimSpace(string(l.Print(want, false))), "\n") // as the box prints it: indented by 2
	var body []string
	for i, line := range lines {
		deeper := i+1 < len(lines) && pasted.Indent(lines[i+1]) > pasted.Indent(line)
		if first, _, _ := strings.Cut(strings.TrimSpace(line), " "); line != "" && !deeper && first != "identity" && first != "call" && first != "interface" {
			body = append(body, strings.TrimSpace(line), "no "+strings.TrimSpace(line))
		}
	}
	flat := func(text string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(strings.TrimLeft(line, " "))
		}
		return b.String()
	}
	for header, indent := range strangers {
		tried := 0
		for i, line := range lines {
			isHeader := i+1 < len(lines) && pasted.Indent(lines[i+1]) > pasted.Indent(line)
			if line == "" || pasted.Indent(line) != indent || !isHeader {
				continue
			}
			var block []string
			for n := range 8 {
				block = append(block, strings.Repeat(" ", indent+2+n%2)+body[(i*31+n*17)%len(body)])
			}
			text := strings.Join(append(append(append(lines[:i:i], strings.Repeat(" ", indent)+header), block...), lines[i:]...), "\n")
			forms := map[string]string{"indented": text}
			if !strings.HasPrefix(header, "gizmo") {
				forms["flat"] = flat(text)
			}
			for form, text := range forms {
				got, problems := l.Parse([]byte(text))
				if a, b := string(l.Print(want, false)), string(l.Print(got, false)); a != b {
					t.Errorf("%s, %q before %q (-without +with):\n%s\n%s", form, header, line, cmp.Diff(a, b), problemLines(problems))
				}
				typed := configuringConsole(l)
				typed.types(strings.Split(text, "\n")...)
				same(t, got, typed.box.cfg)
			}
			tried++
		}
		if tried < 3 {
			t.Errorf("%q was tried in %d places", header, tried)
		}
	}
}
