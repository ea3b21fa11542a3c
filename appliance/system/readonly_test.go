package system

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/logs"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/store"
)

// readOnly runs f with a folder that can only be read, which fill has filled; it exists for f alone.
func readOnly(t *testing.T, fill func(dir string), f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its mounts
		for _, step := range []func() error{
			func() error { return syscall.Unshare(syscall.CLONE_NEWNS) },
			func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
			func() error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "") },
			func() error { fill(dir); return nil },
			func() error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") },
		} {
			if err := step(); err != nil {
				t.Errorf("mount, which wants root: %v", err)
				return
			}
		}
		f(dir)
	}()
	<-done
}

// A damaged data partition is mounted read-only. The box comes up with what is there, whatever a power cut has left besides.
func TestAStateThatCanOnlyBeRead(t *testing.T) {
	cert, _ := pkitest.SelfSigned(t, "a")
	box := named(t, "sim")
	for name, c := range map[string]struct {
		fill func(dir string) error
		want string
	}{
		"with all that a box has": {func(dir string) error {
			s, err := store.Open(dir)
			if err != nil {
				return err
			}
			if _, err := s.ImportCertificate("a", cert); err != nil {
				return err
			}
			return s.SaveStartup([]byte("system hostname kept\n"))
		}, "kept"},
		"cut while it was written": {func(dir string) error {
			s, err := store.Open(dir)
			if err != nil {
				return err
			}
			if err := s.SaveStartup([]byte("system hostname kept\n")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, ".startup-config12345678"), nil, 0o600)
		}, "kept"},
		"empty": {func(string) error { return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fill := func(dir string) {
				if err := c.fill(dir); err != nil {
					t.Error(err)
				}
			}
			readOnly(t, fill, func(dir string) {
				s, err := Open(Options{Board: box, StateDir: dir, Log: slog.New(slog.DiscardHandler), Ring: logs.NewRing(10), Language: lang.New()})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.resolver.Close()
				defer s.net.Close()
				if got := s.Running().Hostname; got != c.want {
					t.Errorf("hostname %q, want %q", got, c.want)
				}
				if s.WriteFile("startup-config", nil) == nil {
					t.Error("it saves")
				}
				if !slices.ContainsFunc(s.problems(), func(p check.Problem) bool { return strings.Contains(p.Text, "nothing is saved") }) {
					t.Errorf("problems %v", s.problems())
				}
			})
		})
	}
}

// What is wrong with the box before sbcd starts, whoever starts it tells.
func TestAFailureOfTheBoxIsListed(t *testing.T) {
	s, err := Open(Options{
		Board: named(t, "sim"), StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Ring: logs.NewRing(10), Language: lang.New(),
		Alarm: "the data partition is damaged",
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := slices.ContainsFunc(s.Alarms(), func(a health.Alarm) bool { return a.Text == "the data partition is damaged" })
	if !listed || len(s.health.Unfit()) == 0 {
		t.Errorf("alarms %v, unfit %v", s.Alarms(), s.health.Unfit())
	}
}
