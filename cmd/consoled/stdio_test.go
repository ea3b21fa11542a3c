package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const pem = `-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIUQ2hlY2sgdGhlIGxlbmd0aCBvZiB0aGlzIGxpbmUhIQAB
QUJD
-----END CERTIFICATE-----
`

// pipe runs `consoled -stdio` with a paste and returns what it prints, and its exit status.
func pipe(t *testing.T, socket, in string) (string, int) {
	t.Helper()
	c := consoled(t, "-socket", socket, "-stdio")
	c.Stdin = strings.NewReader(in)
	memory := filepath.Join(t.TempDir(), "memory")
	c.Env = append(c.Env, "CONSOLED_TEST_MEMORY="+memory)
	out, err := c.CombinedOutput()
	status := 0
	if e, ok := err.(*exec.ExitError); ok {
		status = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	limit := mostMemory
	if raceEnabled {
		limit *= 4
	}
	text, err := os.ReadFile(memory)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(string(text)); err != nil || n == 0 || n > limit {
		t.Errorf("consoled took %q bytes, the limit is %d", text, limit)
	}
	return string(out), status
}

func TestPipedPaste(t *testing.T) {
	for _, c := range []struct {
		name, in string
		status   int
		ran      []string
		blocks   []string
		says     []string
	}{
		{
			name: "lines keep their mode and their text", in: "enable\r\nconfigure\r\n\r\n  table A\r\n\tmap (00)?49(...)?$ to \\2\r\nexit\r\nshow version",
			ran:  []string{"box>enable", "box#configure", "box(cfg)#  table A", "box(table-A)#\tmap (00)?49(...)?$ to \\2", "box(table-A)#exit", "box(cfg)#show version"},
			says: []string{"toy of \"\"", "no problems"},
		}, {
			name: "one command", in: "show version", ran: []string{"box>show version"}, says: []string{"toy of"},
		}, {
			name: "a refused line does not stop the rest", in: "enable\nbogus\nshow version\n", status: 1,
			ran: []string{"box>enable", "box#bogus", "box#show version"}, says: []string{"% unknown: bogus\n% (input line 2)", "toy of"},
		}, {
			name: "a command that panics", in: "break\nshow version\n", status: 1,
			ran: []string{"box>break", "box>show version"}, says: []string{"internal error: as asked", "toy of"},
		}, {
			name: "a block", in: "import x\n" + pem + "\nshow version\n", blocks: []string{pem},
			ran: []string{"box>import x", "box>import x", "box>show version"}, says: []string{"enter an empty line when done", "imported"},
		}, {
			name: "a chain, with empty lines", in: "import x\n\n" + pem + "\n\n" + pem + "\nshow version\n", blocks: []string{pem + pem},
			ran: []string{"box>import x", "box>import x", "box>show version"},
		}, {
			name: "a block at the end of the input", in: "import x\n" + pem[:len(pem)-1], blocks: []string{pem},
			ran: []string{"box>import x", "box>import x"},
		}, {
			name: "the empty line is missing", in: "import x\n" + pem + "show version\nimport y\n" + pem, blocks: []string{pem, pem},
			ran:  []string{"box>import x", "box>import x", "box>show version", "box>import y", "box>import y"},
			says: []string{"the empty line after the END line is missing"},
		}, {
			name: "no END line", in: "enable\nimport x\n" + strings.Join(strings.Split(pem, "\n")[:2], "\n") + "\nshow version\nimport y\n" + pem + "\nend\n",
			ran:    []string{"box>enable", "box#import x", "box#import x", "box#show version", "box#import y", "box#import y", "box#end"},
			blocks: []string{strings.Join(strings.Split(pem, "\n")[:2], "\n") + "\n", pem},
			says:   []string{"the END line is missing"},
		}, {
			name: "a key with its pass phrase", in: "unlock x\n" + pem + "\nsecret\nshow version\n", blocks: []string{pem + "secret\n"},
			ran: []string{"box>unlock x", "box>unlock x", "box>unlock x", "box>show version"},
		}, {
			name: "nothing to import", in: "import x\n\nshow version\n", status: 1,
			ran: []string{"box>import x", "box>show version"}, says: []string{"no text follows"},
		}, {
			name: "bytes that are no text", in: "show version\nM\xfcller\n# M\xfcller\nenable\n", status: 1,
			ran: []string{"box>show version", "box>enable"}, says: []string{"% input line 2: byte 0xfc at column 2 is not UTF-8 text: not run"},
		}, {
			name: "a line that is too long", in: "enable\n" + strings.Repeat("x", 10<<20) + "\nshow version\n", status: 1,
			ran: []string{"box>enable", "box#show version"}, says: []string{"% input line 2: the line has 10485760 bytes, the limit is 65536: not run"},
		}, {
			name: "a line as long as may be", in: "enable\nconfigure\nmap " + strings.Repeat("x", 65532) + "\n",
			ran: []string{"box>enable", "box#configure", "box(cfg)#map " + strings.Repeat("x", 65532)},
		}, {
			name: "the session ends early", in: "exit\nshow version\n", status: 1,
			ran: []string{"box>exit"}, says: []string{"the session ended: input line 2 and what follows it were not run"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			box, socket := newToy(), socketPath(t)
			box.serve(t, socket)
			out, status := pipe(t, socket, c.in)
			if status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			if got := box.lines(); !slices.Equal(got, c.ran) {
				t.Errorf("ran %.300q\nwant %.300q", got, c.ran)
			}
			if !slices.Equal(box.blocks, c.blocks) {
				t.Errorf("blocks %q, want %q", box.blocks, c.blocks)
			}
			for _, s := range c.says {
				if !strings.Contains(out, s) {
					t.Errorf("does not say %q but:\n%.1000s", s, out)
				}
			}
		})
	}
}

func TestPasteOf20000Lines(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	var in strings.Builder
	in.WriteString("enable\nconfigure\ntable A\n")
	for i := range 20000 {
		fmt.Fprintf(&in, "  map \\+4971%05d to sip:user.%d@192.168.1.100\n", i, i)
	}
	start := time.Now()
	if out, status := pipe(t, socket, in.String()); status != 0 || out != "no problems\n" {
		t.Errorf("status %d: %.300s", status, out)
	}
	t.Logf("20,000 lines in %v", time.Since(start))
	if got := box.lines(); len(got) != 20003 || got[20002] != "box(table-A)#  map \\+497119999 to sip:user.19999@192.168.1.100" {
		t.Errorf("%d lines ran, the last %q", len(got), got[len(got)-1])
	}
}

func TestBinaryFileIsAnswered(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	data := make([]byte, 4<<20)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(data)
	out, status := pipe(t, socket, string(data)+"\nshow version\n")
	if status != 1 || !strings.Contains(out, "more lines are not text") || !strings.Contains(out, "toy of") {
		t.Errorf("status %d, %d bytes of answer, the end: %q", status, len(out), out[max(0, len(out)-300):])
	}
	if len(out) > 256<<10 {
		t.Errorf("the answer has %d bytes", len(out))
	}
}

func TestPasteWaitsForSbcd(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	c := consoled(t, "-socket", socket, "-stdio")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "enable")
	time.Sleep(300 * time.Millisecond)
	stop := box.serve(t, socket)
	eventually(t, "the first line runs", func() bool { return len(box.lines()) == 1 })
	stop()
	fmt.Fprintln(in, "configure")
	time.Sleep(300 * time.Millisecond)
	box.serve(t, socket)
	fmt.Fprintln(in, "show version")
	in.Close()
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	if got, want := box.lines(), []string{"box>enable", "box#configure", "box(cfg)#show version"}; !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}
