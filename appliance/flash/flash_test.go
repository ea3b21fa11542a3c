package flash

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain is also the victim that is killed while it writes.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FLASH_VICTIM"); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim writes generations of one file for ever; a generation is 200 equal lines.
func victim(dir string) {
	v := Versions{Path: filepath.Join(dir, "startup-config"), Keep: 10, Perm: 0o600}
	for i := 1; ; i++ {
		if err := v.Save(generation(i)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func generation(i int) []byte { return bytes.Repeat([]byte("generation "+strconv.Itoa(i)+"\n"), 200) }

func TestKilledWhileSavingLeavesOldOrNew(t *testing.T) {
	for round := range 20 {
		dir := t.TempDir()
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "FLASH_VICTIM="+dir)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60*time.Millisecond + time.Duration(round)*1700*time.Microsecond)
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err, errs.String())
		}
		cmd.Wait()
		lines := strings.Fields(out.String())
		said := 0 // the last generation that Save promised
		if len(lines) > 0 {
			said, _ = strconv.Atoi(lines[len(lines)-1])
		}
		if err := Sweep(dir); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			first, _, _ := bytes.Cut(text, []byte("\n"))
			n, _ := strconv.Atoi(strings.TrimPrefix(string(first), "generation "))
			if err != nil || !bytes.Equal(text, generation(n)) {
				t.Errorf("killed after generation %d: %s has %d octets, begins %q (%v)", said, e.Name(), len(text), first, err)
			}
			if e.Name() == "startup-config" && n != said && n != said+1 {
				t.Errorf("killed after generation %d: found generation %d", said, n)
			}
		}
		if said > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "startup-config" }) {
			t.Errorf("killed after generation %d: no file", said)
		}
		if len(entries) > 13 {
			t.Errorf("%d files are left", len(entries))
		}
	}
}

func TestWriteSetsTheModeWhateverTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, perm := range []fs.FileMode{0o600, 0o644} {
		if err := Write(name, []byte("new"), perm); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != perm {
			t.Errorf("mode %v (%v), want %v", fi.Mode(), err, perm)
		}
	}
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(target, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := Write(target, []byte("text"), 0o644)
	if err == nil || !strings.HasPrefix(err.Error(), "write "+target+": ") {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := Write(filepath.Join(dir, "missing", "file"), nil, 0o644); err == nil {
		t.Error("a missing folder is no error")
	}
	if err := MakeDir(filepath.Join(dir, "taken", "a", "b"), 0o700); err != nil {
		t.Error(err)
	}
	if err := Write(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(filepath.Join(dir, "file"), 0o700); err == nil {
		t.Error("a file in the way is no error")
	}
	if err := Remove(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
	if err := Remove(filepath.Join(dir, "file")); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestSweepTakesTemporaryFilesOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".startup-config8674665223082153551", "startup-config", "startup-config.12345678", ".profile", ".12345678", ".key123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".12345678", ".key123", ".profile", "startup-config", "startup-config.12345678"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

func TestVersionsKeepTen(t *testing.T) {
	v := Versions{Path: filepath.Join(t.TempDir(), "startup-config"), Keep: 10, Perm: 0o600}
	save := func(text string) {
		t.Helper()
		if err := v.Save([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	texts := func() (list []string) {
		t.Helper()
		versions, err := v.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, old := range versions {
			b, err := v.Load(old.Number)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(b))
		}
		return list
	}
	for i := range 15 {
		save(strconv.Itoa(i))
		save(strconv.Itoa(i)) // the same again: no version
	}
	if got := texts(); !slices.Equal(got, []string{"13", "12", "11", "10", "9", "8", "7", "6", "5", "4"}) {
		t.Errorf("kept %q", got)
	}
	// Power was cut after the present file got its second name: it is not kept twice.
	if err := v.retire([]byte("14")); err != nil {
		t.Fatal(err)
	}
	save("15")
	if got := texts(); len(got) != 10 || got[0] != "14" || got[1] != "13" {
		t.Errorf("kept %q", got)
	}
	if err := v.Erase(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(v.Path); err == nil {
		t.Error("erased, and still there")
	}
	if got := texts(); len(got) != 10 || got[0] != "15" {
		t.Errorf("kept %q", got)
	}
	if err := v.Erase(); err != nil {
		t.Errorf("erased twice: %v", err)
	}
}

func TestLogRotatesByDayAndTotalSize(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cdr")
	synctest.Test(t, func(t *testing.T) {
		l, err := OpenLog(LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600, MaxTotal: 80 << 10})
		if err != nil {
			t.Fatal(err)
		}
		line := []byte(`{"call":"` + strings.Repeat("x", 1000) + `"}`)
		for range 7 { // days of 25 KiB: three fit beside today's part
			for range 25 {
				if err := l.Append(line); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(24 * time.Hour)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(line); err == nil {
			t.Error("a closed log took a line")
		}
		files, err := l.Files()
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, name := range files {
			fi, err := os.Stat(name)
			if err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", name, fi.Mode(), err)
			}
			total += fi.Size()
		}
		if total > 80<<10 || total < 50<<10 || filepath.Base(files[len(files)-1]) != "2000-01-07.3.jsonl" || filepath.Base(files[0]) < "2000-01-04" {
			t.Errorf("%d octets in %q", total, files)
		}
	})
}

func TestLinesAreAppendedTogether(t *testing.T) {
	l, err := OpenLog(LogOptions{Dir: t.TempDir(), Suffix: ".jsonl", Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	first := append(make([]byte, 0, 100), '1') // a line with room behind it stays as it is
	if err := errors.Join(l.Append(first, []byte("2")), l.Append(), l.Append([]byte("3")), l.Close()); err != nil {
		t.Fatal(err)
	}
	files, err := l.Files()
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if text, err := os.ReadFile(files[0]); string(text) != "1\n2\n3\n" || err != nil || first[:2][1] != 0 {
		t.Errorf("%q, %v, %q", text, err, first[:2])
	}
}

// The clock is behind, as at a start without a network: what is written then lies behind what was written before. A clock that was far ahead once has
// no such effect.
func TestLinesStayInTheirOrderWhenTheClockIsBehind(t *testing.T) {
	for ahead, want := range map[int]string{0: "1 2 3 ", 1: "1 2 3 ", 2: "1 2 3 ", 3: "2 3 1 ", 3000: "2 3 1 "} {
		last := time.Now().UTC().AddDate(0, 0, ahead).Format(time.DateOnly) + ".jsonl"
		l := logOf(t, map[string]string{last: "1\n"})
		if err := errors.Join(l.Append([]byte("2")), l.Append([]byte("3"))); err != nil {
			t.Fatal(err)
		}
		if got := all(t, l, Position{}, 10); got != want {
			t.Errorf("%d days ahead: %q", ahead, got)
		}
		if files, err := l.Files(); err != nil || len(files) != map[bool]int{true: 1, false: 2}[ahead <= 2] {
			t.Errorf("%q, %v", files, err)
		}
	}
}

func TestATornLineSpoilsNoOther(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, time.Now().UTC().Format(time.DateOnly)+".jsonl")
	if err := os.WriteFile(name, []byte("{\"n\":1}\n{\"n\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte(`{"n":3}`)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(name); string(got) != "{\"n\":1}\n{\"n\":\n{\"n\":3}\n" {
		t.Errorf("file is %q", got)
	}
}

func TestTheLastLines(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"2026-11-21.jsonl": "1\n2\n", "2026-11-22.jsonl": "3\n\n4\n", "2026-11-22.2.jsonl": "", "2026-11-22.3.jsonl": "5\n6"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenLog(LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for n, want := range map[int]string{0: "", 1: "6", 2: "5 6", 3: "4 5 6", 6: "2 3  4 5 6", 100: "1 2 3  4 5 6"} {
		lines, err := l.Last(n)
		if got := string(bytes.Join(lines, []byte(" "))); err != nil || got != want {
			t.Errorf("last %d: %q, %v; want %q", n, got, err, want)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	l, err := OpenLog(LogOptions{Dir: b.TempDir(), Suffix: ".jsonl", Perm: 0o600, MaxTotal: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	line := bytes.Repeat([]byte("x"), 500)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(line); err != nil {
			b.Fatal(err)
		}
	}
}

// What stands in the place of a file and cannot be read keeps nothing from being saved or erased.
func TestAFileThatCannotBeRead(t *testing.T) {
	for _, erase := range []bool{false, true} {
		v := Versions{Path: filepath.Join(t.TempDir(), "f"), Keep: 2, Perm: 0o600}
		for range 2 { // what was put aside before gives way
			if err := os.Remove(v.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(v.Path, "inside"), 0o755); err != nil {
				t.Fatal(err)
			}
			if erase {
				if err := v.Erase(); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(v.Path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("after Erase: %v", err)
				}
				continue
			}
			if err := v.Save([]byte("new")); err != nil {
				t.Error(err)
			}
			if text, err := os.ReadFile(v.Path); string(text) != "new" {
				t.Errorf("%q, %v", text, err)
			}
			if _, err := os.Stat(filepath.Join(v.Path+damaged, "inside")); err != nil {
				t.Error(err)
			}
		}
		if list, err := v.List(); err != nil || len(list) > 0 {
			t.Errorf("versions %v, %v", list, err)
		}
	}
}

// An empty file takes no place among the predecessors.
func TestAnEmptyFileIsNotKept(t *testing.T) {
	v := Versions{Path: filepath.Join(t.TempDir(), "f"), Keep: 2, Perm: 0o600}
	if err := errors.Join(os.WriteFile(v.Path, nil, 0o600), v.Save([]byte("new"))); err != nil {
		t.Fatal(err)
	}
	if list, err := v.List(); err != nil || len(list) > 0 {
		t.Errorf("versions %v, %v", list, err)
	}
}

// A damaged file of a log takes neither the lines of the others nor those to come.
func TestALogWithADamagedFile(t *testing.T) {
	dir := t.TempDir()
	today := time.Now().UTC().Format(time.DateOnly)
	if err := os.Mkdir(filepath.Join(dir, today+".jsonl"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "2026-01-01.jsonl"), []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Append([]byte("new")), l.Close()); err != nil {
		t.Fatal(err)
	}
	if lines, err := l.Last(5); err != nil || len(lines) != 2 || string(lines[0]) != "old" || string(lines[1]) != "new" {
		t.Errorf("%q, %v", lines, err)
	}
}
