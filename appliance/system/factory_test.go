package system

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/logs"
	"viaduct/appliance/startup"
	"viaduct/appliance/store"
	"viaduct/board"
)

// boxOf opens a box of a board with a state directory.
func boxOf(t *testing.T, b board.Board, state, rescue string) *System {
	t.Helper()
	s, err := Open(Options{Board: b, StateDir: state, Log: slog.New(slog.DiscardHandler), Ring: logs.NewRing(10), Language: lang.New(), Rescue: rescue})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.net.Close(); s.resolver.Close() })
	return s
}

func named(t *testing.T, name string) board.Board {
	t.Helper()
	b, err := board.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheFactorySettings(t *testing.T) {
	l := lang.New()
	cfg, problems := l.Parse([]byte(factory))
	if problems = append(problems, l.Check(cfg, check.Env{})...); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	if got := string(l.Print(cfg, false)); strings.ReplaceAll(got, "\n\n", "\n") != factory {
		t.Errorf("reads back as\n%s", got)
	}
	if len(cfg.Accounts) > 0 || len(cfg.Gateways) > 0 || len(cfg.Ports) != 1 || cfg.IP[0].Interfaces[0].Addresses[0].DHCP {
		t.Errorf("it opens more than the LAN port: %+v", cfg)
	}
}

func TestABoxWithoutAConfiguration(t *testing.T) {
	l, dir := lang.New(), t.TempDir()
	text := func(s *System) string { return strings.ReplaceAll(string(l.Print(s.Running(), false)), "\n\n", "\n") }
	s := boxOf(t, named(t, "qemu-virt"), dir, "")
	if got := text(s); got != factory {
		t.Errorf("first boot:\n%s", got)
	}
	if got := text(boxOf(t, named(t, "sim"), t.TempDir(), "")); got != "" {
		t.Errorf("a development machine:\n%s", got)
	}
	// Saved by hand, as `copy factory-config startup-config` does.
	if err := s.WriteFile("startup-config", []byte("system hostname sbc01\n")); err != nil {
		t.Fatal(err)
	}
	if got := text(boxOf(t, named(t, "qemu-virt"), dir, "")); got != "system hostname sbc01\n" {
		t.Errorf("with a startup-config:\n%s", got)
	}
	// Ordered at the console: for one start only.
	rescue := filepath.Join(t.TempDir(), "rescue")
	if err := os.WriteFile(rescue, []byte(startup.OrderFactory), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{factory, "system hostname sbc01\n"} {
		if got := text(boxOf(t, named(t, "qemu-virt"), dir, rescue)); got != want {
			t.Errorf("by the console's order:\n%s", got)
		}
	}
	file, err := s.ReadFile("factory-config")
	if err == nil {
		err = s.WriteFile("startup-config", file)
	}
	if got := text(boxOf(t, named(t, "qemu-virt"), dir, "")); got != factory || err != nil {
		t.Errorf("factory-config as startup-config: %v\n%s", err, got)
	}
}

// pressed is a board whose reset button is held at once.
type pressed struct{ board.Board }

func (pressed) ResetButton(_ context.Context, held func()) error {
	held()
	return nil
}

func TestTheResetButtonBringsTheFactorySettings(t *testing.T) {
	dir := t.TempDir()
	s := boxOf(t, pressed{named(t, "sim")}, dir, "")
	if err := s.WriteFile("startup-config", []byte("administrator anna password forgotten\n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.button(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.reload:
	case <-ctx.Done():
		t.Error("no restart")
	}
	if text, err := s.store.Startup(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("startup-config %q, %v", text, err)
	}
	if old, err := s.store.OldStartup(1); err != nil || !strings.Contains(string(old), "anna") {
		t.Errorf("the last one: %q, %v", old, err)
	}
	if s.light() != board.LightAlarm {
		t.Error("the LED says that all is well")
	}
}

func TestLinesThatWereLeftOutAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":          {"system hostname a\n", nil},
		"a newer one's": {"system hostname a\nfrobnicate 7\n", []string{`startup-config, line 2 was left out at the start: unknown command "frobnicate"`}},
		"many":          {"system hostname a\n" + strings.Repeat("frobnicate\n", startup.UnreadShown+2), []string{"2 more lines of startup-config were left out at the start: show log names them"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, store.StartupFile), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := boxOf(t, named(t, "sim"), dir, "")
			list := s.problems()
			if (len(c.want) == 0) != (len(list) == 0) {
				t.Errorf("problems %v", list)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(list, func(p check.Problem) bool { return strings.Contains(p.Text, want) }) {
					t.Errorf("problems %v, want %s", list, want)
				}
			}
			for _, a := range s.health.Current() {
				if strings.Contains(a.Text, "line 2 was left out") && a.Subject != "startup-config, line 2" {
					t.Errorf("an alarm about %q", a.Subject)
				}
			}
			// A login that sets a password changes its line, and leaves the others in the file.
			if err := s.WriteFile("startup-config", []byte(c.text+"dns-client\n")); err != nil {
				t.Fatal(err)
			}
			if now := s.problems(); len(now) != len(list) {
				t.Errorf("after a write that keeps them: %v", now)
			}
			if err := s.WriteFile("startup-config", []byte("system hostname a\n")); err != nil {
				t.Fatal(err)
			}
			if now := s.problems(); len(now) > 0 {
				t.Errorf("after a write without them: %v", now)
			}
		})
	}
}
