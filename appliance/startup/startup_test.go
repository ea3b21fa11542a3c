package startup

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/store"
)

// words is a language whose first line is the hostname, in which each line `bad` is a problem.
type words struct{}

func (words) Parse(text []byte) (*config.Config, []check.Problem) {
	cfg := config.New()
	cfg.Hostname, _, _ = strings.Cut(string(text), "\n")
	var problems []check.Problem
	for n, line := range strings.Split(string(text), "\n") {
		switch line {
		case "bad":
			problems = append(problems, check.Problem{Line: n + 1, Severity: check.Error, Text: "it is bad"})
		case "odd":
			problems = append(problems, check.Problem{Line: n + 1, Severity: check.Warning, Text: "it is odd"})
		}
	}
	return cfg, problems
}

func (words) Understands(text []byte) bool { return !strings.HasPrefix(string(text), "?") }

type box struct {
	*Chooser
	health health.Tracker
	store  *store.Store
	order  string
}

// newBox has startup-configs, the oldest first.
func newBox(t *testing.T, saved ...string) *box {
	dir := t.TempDir()
	b := &box{order: filepath.Join(dir, "order")}
	b.health.Log = slog.New(slog.DiscardHandler)
	var err error
	if b.store, err = store.Open(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	for _, text := range saved {
		if err := b.store.SaveStartup([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	b.Chooser = New(Options{
		Log: b.health.Log, Health: &b.health, Store: b.store, Language: words{}, Rescue: b.order,
		Factory: func() string { return "factory" }, Fallback: "fallback",
	})
	return b
}

// alarms are those about the startup-config, each by its text.
func (b *box) alarms() (list []string) {
	for _, a := range b.health.Current() {
		list = append(list, a.ID+": "+a.Text)
	}
	return list
}

func TestWhichConfigurationABoxStartsWith(t *testing.T) {
	for name, x := range map[string]struct {
		saved []string // the oldest first
		order string
		want  string // the hostname
		alarm bool
	}{
		"the last one":                       {[]string{"older", "last"}, "", "last", false},
		"none":                               {nil, "", "factory", false},
		"the one before a damaged one":       {[]string{"oldest", "older", "?"}, "", "older", true},
		"the one before one with holes":      {[]string{"older", "last\n\x00\x00"}, "", "older", true},
		"all are damaged":                    {[]string{"?", "?"}, "", "fallback", true},
		"the one before, as ordered":         {[]string{"older", "last"}, OrderPrevious, "older", false},
		"ordered, with a damaged one before": {[]string{"oldest", "?", "last"}, OrderPrevious, "oldest", true},
		"ordered, and there is none before":  {[]string{"last"}, OrderPrevious, "fallback", true},
		"nothing, as ordered":                {[]string{"older", "last"}, OrderFactory, "factory", false},
		"an order that nobody knows":         {[]string{"older", "last"}, "restart", "last", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, x.saved...)
			if x.order != "" {
				if err := os.WriteFile(b.order, []byte(x.order+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.Choose().Hostname; got != x.want {
				t.Errorf("it starts with %q", got)
			}
			if b.health.Active(health.StartupUnusable) != x.alarm {
				t.Errorf("alarms: %q", b.alarms())
			}
			if x.order == "" {
				return
			}
			if text, err := os.ReadFile(b.order); err != nil || len(text) > 0 {
				t.Errorf("the order stands there still: %q, %v", text, err)
			}
			if x.want != "fallback" && b.Choose().Hostname == x.want && x.order != "restart" {
				t.Error("the order is followed at the next start, too")
			}
		})
	}
}

// A file that somebody names is read in the place of all startup-configs, and may be empty.
func TestAFileInTheirPlace(t *testing.T) {
	for text, want := range map[string]string{"named": "named", "": "", "?": "fallback"} {
		b := newBox(t, "last")
		b.o.File = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(b.o.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := b.Choose().Hostname; got != want {
			t.Errorf("%q: starts with %q", text, got)
		}
	}
}

// A box without a startup-config begins anew: it forgets the key by which a hub knows it.
func TestABoxThatBeginsAnewForgetsItsHub(t *testing.T) {
	for name, x := range map[string]struct {
		saved []string
		kept  bool
	}{"it is new": {nil, false}, "it is not": {[]string{"last"}, true}} {
		b := newBox(t, x.saved...)
		if err := os.MkdirAll(b.store.FleetDir(), 0o700); err != nil {
			t.Fatal(err)
		}
		b.Choose()
		if _, err := os.Stat(b.store.FleetDir()); (err == nil) != x.kept {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Lines that are left out stay alarms, the first of them one by one, until a startup-config without such lines is written.
func TestLinesThatAreLeftOut(t *testing.T) {
	b := newBox(t, "last\nodd\n"+strings.Repeat("bad\n", UnreadShown+2))
	b.Choose()
	list := b.alarms()
	first := fmt.Sprintf("%s, line 3 was left out", store.StartupFile)
	if len(list) != UnreadShown+1 || !strings.Contains(strings.Join(list, "\n"), first) || !strings.Contains(strings.Join(list, "\n"), "2 more lines of startup-config were left out") {
		t.Fatalf("%q", list)
	}
	b.Rewritten([]byte("last\nbad\n"))
	if len(b.alarms()) == 0 {
		t.Error("they are forgotten, though the new one has such a line, too")
	}
	b.Rewritten([]byte("last\nodd\n"))
	if list := b.alarms(); len(list) > 0 {
		t.Errorf("they stay: %q", list)
	}
}
