package lang

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"viaduct/appliance/config"
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
		ran, err := l.ExecTogether(t.Context(), b, s, lines)
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
