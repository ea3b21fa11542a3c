package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

// silence is for how long the serial line may say nothing while something is expected of it: then the emulator is stuck. How long
// something takes in all does not count, since the host may be slow and busy.
const silence = 2 * time.Minute

// patience bounds what cannot be seen on the serial line. Nothing takes so long.
const patience = 10 * time.Minute

// emulated is a box under power.
type emulated struct {
	t     testing.TB
	cmd   *exec.Cmd
	keys  io.Writer
	line  *serialLine
	ended <-chan struct{}
	read  int // of what the line has said
}

// serialLine keeps what the box says.
type serialLine struct {
	lock sync.Mutex
	text []byte
	news chan struct{}
}

func newSerialLine() *serialLine { return &serialLine{news: make(chan struct{}, 1)} }

func (l *serialLine) Write(b []byte) (int, error) {
	l.lock.Lock()
	l.text = append(l.text, b...)
	l.lock.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return len(b), nil
}

// since returns what the box has said after the first n bytes.
func (l *serialLine) since(n int) []byte {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text[n:]
}

// freshDisk is a fresh copy of the image on a larger medium.
func freshDisk(t testing.TB) string {
	t.Helper()
	built, err := builtImage()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "disk.img")
	tool(t, "cp", "--sparse=always", built, name)
	if err := os.Truncate(name, diskSize+256*mib); err != nil {
		t.Fatal(err)
	}
	return name
}

// starter starts a program and tells when it has ended.
type starter func(*exec.Cmd) (ended <-chan struct{}, err error)

// lasting runs functions on a thread that lives as long as this process: Machine's emulators end with the thread that started them.
var lasting = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

func startHere(cmd *exec.Cmd) (<-chan struct{}, error) {
	started := make(chan error)
	lasting() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	return ended, nil
}

func powerOn(t testing.TB, m Machine) *emulated {
	t.Helper()
	return powerOnBy(t, m, startHere)
}

func powerOnBy(t testing.TB, m Machine, start starter) *emulated {
	t.Helper()
	cmd, err := m.Command(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e := &emulated{t: t, cmd: cmd, line: newSerialLine()}
	cmd.Stdout, cmd.Stderr = e.line, os.Stderr
	if e.keys, err = cmd.StdinPipe(); err == nil {
		e.ended, err = start(cmd)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.powerOff)
	return e
}

// powerOff pulls the plug. What the box has not synced is gone.
func (e *emulated) powerOff() {
	e.cmd.Process.Kill() // an error means that it has ended
	<-e.ended
}

// wait waits until the serial line has said something that is found in what was not read yet; what for is for the message.
func (e *emulated) wait(what string, found func(rest []byte) bool) {
	e.t.Helper()
	for over := false; ; {
		rest := e.line.since(e.read)
		switch {
		case found(rest):
			return
		case over:
			e.t.Fatalf("the emulator ended; before %s:\n%s", what, rest)
		}
		stuck := time.NewTimer(silence)
		select {
		case <-e.line.news:
		case <-e.ended:
			over = true
		case <-stuck.C:
			e.t.Fatalf("no %s, and nothing was printed for %v; the line says:\n%s", what, silence, rest)
		}
		stuck.Stop()
	}
}

// ends waits until the emulator ends by itself: in a Machine without firmware, when the box restarts.
func (e *emulated) ends() {
	e.t.Helper()
	e.wait("end", func([]byte) bool {
		select {
		case <-e.ended:
			return true
		default:
			return false
		}
	})
}

// until reads the serial line until the pattern stands there, and returns all since the last time.
func (e *emulated) until(pattern string) string {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	text := ""
	e.wait(fmt.Sprintf("%q", pattern), func(rest []byte) bool {
		m := re.FindIndex(rest)
		if m != nil {
			text = string(rest[:m[1]])
		}
		return m != nil
	})
	e.read += len(text)
	return text
}

const prompt = `(?m)^\r?[\w-]+(\([\w./-]+\)(\[[^\]]*\])?)?[>#]$`

// run runs one command and returns what it printed.
func (e *emulated) run(line string) string {
	e.t.Helper()
	io.WriteString(e.keys, line+"\r")
	text := e.until(prompt)
	for said := range strings.Lines(text) {
		if strings.HasPrefix(said, "% ") && !strings.HasPrefix(said, "% warning: ") && !strings.HasPrefix(said, "% note: ") {
			e.t.Errorf("%s: %s", line, text)
		}
	}
	return text
}

// unwrapped puts the rows of a table that do not fit the terminal on one line again.
func unwrapped(text string) string {
	return regexp.MustCompile(`\r?\n[ \t]+`).ReplaceAllString(text, " ")
}

// again runs a command until its answer holds the pattern: what a configuration sets off takes a moment.
func (e *emulated) again(line, pattern string) {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	var text string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if text = e.run(line); re.MatchString(unwrapped(text)) {
			return
		}
	}
	e.t.Fatalf("%s never said %q but:\n%s\n%s", line, pattern, text, e.run("show log 60"))
}

// grown checks that the data partition reaches to the end of the medium, in a sound table.
func grown(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(f, uint64(info.Size())); err != nil {
		t.Errorf("partition table: %v", err)
	}
	if end := int64(table.Partitions[partData-1].End+1) * sector; info.Size()-end > mib {
		t.Errorf("the data partition ends at %d of %d", end, info.Size())
	}
}
