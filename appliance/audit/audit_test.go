package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"viaduct/appliance/flash"
	"viaduct/appliance/status"
)

func all(status.Audit) bool { return true }

func in(dir string) func() (*flash.Log, error) {
	return func() (*flash.Log, error) {
		return flash.OpenLog(flash.LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600, MaxTotal: 4 << 20, SyncLines: 1000})
	}
}

// running is a Trail in dir that runs until stop is called, with what it tells the log.
func running(t *testing.T, dir string) (trail *Trail, log *bytes.Buffer, stop func()) {
	log = &bytes.Buffer{}
	trail = New(Options{Open: in(dir), Log: slog.New(slog.NewTextHandler(log, nil)), Fail: func(err error) {
		if err != nil {
			t.Error(err)
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := trail.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return trail, log, func() { cancel(); <-done }
}

func lines(t *testing.T, trail *Trail) (list []string) {
	t.Helper()
	entries, err := trail.Last(100_000, all)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		list = append(list, fmt.Sprint(e.What, " ", e.Account, " ", e.From, " ", e.Line))
	}
	return list
}

func TestTheTrailSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "audit")
		trail, log, stop := running(t, dir)
		trail.Note(status.Audit{What: status.AuditLogin, Account: "anna", From: "ssh 192.0.2.7"}, nil)
		trail.Note(status.Audit{What: status.AuditCommand, Account: "anna", From: "serial"}, func(e *status.Audit) { e.Line, e.Error = "reload", "no" })
		stop()
		if text := log.String(); !strings.Contains(text, `msg=login account=anna from="ssh 192.0.2.7"`) || !strings.Contains(text, "msg=command account=anna from=serial line=reload err=no") {
			t.Errorf("log: %s", text)
		}
		files, _ := os.ReadDir(dir)
		f, err := os.OpenFile(filepath.Join(dir, files[0].Name()), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(`{"time":"20`) // a power cut
		f.Close()
		trail, _, stop = running(t, dir)
		defer stop()
		trail.Note(status.Audit{What: status.AuditBox}, nil)
		if got := strings.Join(lines(t, trail), "\n"); got != "login anna ssh 192.0.2.7 \ncommand anna serial reload\nbox   " {
			t.Errorf("%s", got)
		}
		if list, _ := trail.Last(1, func(e status.Audit) bool { return e.Account == "anna" }); len(list) != 1 || list[0].Line != "reload" || !list[0].Time.Equal(time.Now()) {
			t.Errorf("%+v", list)
		}
	})
}

// Pasting 20,000 lines costs next to nothing, and drives nothing else out: the first lines are kept, the others are counted.
func TestALongPasteIsSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, _, stop := running(t, t.TempDir())
		defer stop()
		trail.Note(status.Audit{What: status.AuditLogin, Account: "anna"}, nil)
		asked := 0
		for range 20_000 {
			trail.Note(status.Audit{What: status.AuditConfiguration, Account: "anna", From: "serial"}, func(e *status.Audit) { asked++; e.Line = fmt.Sprint("line ", asked) })
		}
		if asked != 500 {
			t.Errorf("%d were asked for", asked)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		list := lines(t, trail)
		if len(list) != 502 || list[500] != "configuration anna serial line 500" || list[501] != "configuration anna serial ... and 19500 more, which are not kept: too many came at once" {
			t.Errorf("%d entries, the last: %q", len(list), list[len(list)-2:])
		}
		trail.Note(status.Audit{What: status.AuditConfiguration}, nil)
		if more := lines(t, trail); len(more) != 503 {
			t.Error("nothing is kept after the paste")
		}
	})
}

// Guesses from everywhere neither fill the trail nor the memory.
func TestGuessesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, _, stop := running(t, t.TempDir())
		defer stop()
		for n := range 10_000 {
			trail.Note(status.Audit{What: status.AuditRefused, From: fmt.Sprint("192.0.2.", n)}, nil)
		}
		trail.mu.Lock()
		if len(trail.shed) > maxShed+1 {
			t.Errorf("%d sources are remembered", len(trail.shed))
		}
		trail.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(lines(t, trail)); n > 50+maxShed+1 {
			t.Errorf("%d entries", n)
		}
	})
}

// Nor do guesses with pauses between them, after each of which it is told what was left out.
func TestGuessesWithPausesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, _, stop := running(t, t.TempDir())
		defer stop()
		trail.Note(status.Audit{What: status.AuditLogin, Account: "anna"}, nil)
		const minutes = 60
		for range minutes * 60 / 5 {
			for n := range 40 {
				trail.Note(status.Audit{What: status.AuditRefused, From: fmt.Sprint("ssh 192.0.2.", n)}, nil)
				trail.Note(status.Audit{What: status.AuditBanned, From: fmt.Sprint("ssh 192.0.2.", n)}, nil)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		const most = 1 + 2*(50+minutes) + (maxShed+2)*(minutes/10+1)
		list := lines(t, trail)
		if len(list) > most || list[0] != "login anna  " {
			t.Errorf("%d entries, %d at most are meant", len(list), most)
		}
		if last := strings.Join(list, "\n"); !strings.Contains(last, "more, which are not kept") {
			t.Error("it is not told that some are left out")
		}
	})
}

func TestWithoutAMediumTheTrailIsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		os.WriteFile(file, nil, 0o600)
		failed := false
		trail := New(Options{Open: in(filepath.Join(file, "audit")), Log: slog.New(slog.DiscardHandler), Fail: func(err error) { failed = failed || err != nil }})
		for n := range 3 * maxRecent {
			trail.Note(status.Audit{What: status.AuditBox}, func(e *status.Audit) { e.Line = fmt.Sprint(n) })
			trail.flush()
			time.Sleep(time.Second)
		}
		list := lines(t, trail)
		if !failed || len(list) != maxRecent || list[maxRecent-1] != fmt.Sprint("box   ", 3*maxRecent-1) {
			t.Errorf("failed %v, %d entries", failed, len(list))
		}
	})
}

func TestHostileTextIsOneShortLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hostile = "x\x1b[2J\n{\"time\":\"2026\"}\r\u202e\xff"
		trail, log, stop := running(t, t.TempDir())
		trail.Note(status.Audit{What: status.AuditRefused, Account: hostile, From: hostile}, func(e *status.Audit) {
			e.Mode, e.Error, e.Line = hostile, hostile, strings.Repeat(hostile, 1000)
		})
		list, _ := trail.Last(10, all)
		stop()
		if len(list) != 1 || strings.Count(log.String(), "\n") != 1 || log.Len() > 5*maxText {
			t.Fatalf("%d entries, %d octets of log", len(list), log.Len())
		}
		if text := list[0].Account + list[0].From + list[0].Mode + list[0].Line + list[0].Error; len(text) > 5*maxText || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", text)
		}
	})
}
