package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// mostMemory is what neither daemon may take, whatever is pasted. The program of these tests holds both, and the web page, which is some MiB
// more than either.
const mostMemory = 72 << 20

// peak is the most memory that a process has had so far, in octets. What wait4 tells would count what this process had when it
// started the other.
func peak(pid int) (octets int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	fmt.Sscan(rest, &octets)
	return octets << 10
}

// Anything can be pasted: the box answers, stays small, and serves others meanwhile.
func TestBadInputLeavesTheBoxAlone(t *testing.T) {
	random := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{2}).Read(random)
	var lines, keys strings.Builder
	keys.WriteString("enable\nconfigure\ncontext cs S\nmapping-table e164 to e164 T\n")
	many := 100_000
	if raceEnabled {
		many /= 10 // what the race detector costs
	}
	for i := range many {
		fmt.Fprintf(&lines, "nonsense %d\n", i)
		fmt.Fprintf(&keys, "map 49%d to %d\n", i%20000, i%20000)
	}
	for name, text := range map[string]string{
		"random bytes":              string(random),
		"a line of 10 MB":           "map " + strings.Repeat("x", 10<<20) + "\n",
		"many lines of nonsense":    lines.String(),
		"many lines that are taken": keys.String(),
		"a block without an end":    "enable\nimport pki:certificate/X\n-----BEGIN CERTIFICATE-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", 20000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &realBox{t: t, state: t.TempDir(), socket: socketPath(t)}
			b.start()
			defer b.kill()
			c := consoled(t, "-socket", b.socket, "-stdio")
			c.Stdin = strings.NewReader(text)
			done := make(chan int, 1)
			go func() {
				out, err := c.CombinedOutput()
				if _, failed := err.(*exec.ExitError); err != nil && !failed {
					t.Error(err)
				}
				done <- len(out)
			}()
			if out, status := pipe(t, b.socket, "show version\n"); status != 0 || !strings.Contains(out, "Serial:") {
				t.Errorf("another session meanwhile: status %d\n%s", status, out)
			}
			<-done
			if out, status := pipe(t, b.socket, "show version\n"); status != 0 || !strings.Contains(out, "Serial:") {
				t.Errorf("afterwards: status %d\n%s", status, out)
			}
			if n := peak(b.cmd.Process.Pid); n == 0 || n > mostMemory && !raceEnabled {
				t.Errorf("sbcd took %d MiB", n>>20)
			}
		})
	}
}
