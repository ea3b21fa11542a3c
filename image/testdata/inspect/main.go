// Command inspect looks around in a box from the inside, in place of randomd, and writes what it sees to the serial line: which sockets
// listen, what the programs take of memory, who holds the watchdog, what PID 1 says. Then it makes the kernel panic. It is in an image of
// the tests only.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	line, err := os.OpenFile("/dev/ttyAMA0", os.O_WRONLY, 0)
	if err != nil {
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "inspect: this is for the log")
	if console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0); err == nil {
		fmt.Fprintln(console, "inspect: on the console") // as randomd does
	}
	for range 600 {
		if log := read("/run/init.log"); strings.Contains(log, "sbcd answers") && strings.Contains(log, "consoled answers") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for range 600 { // the web page is the last thing that listens
		if strings.Contains(read("/proc/net/tcp"), ":01BB ") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	var out bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\r\n", args...) }
	say("")
	say("inspect: begin")
	// Columns: number, local, remote, state in hexadecimal; 0A listens, and 07 is a UDP socket without a peer.
	for file, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07", "raw": "07", "raw6": "07"} {
		for text := range strings.Lines(read("/proc/net/" + file)) {
			if f := strings.Fields(text); len(f) > 3 && f[3] == state {
				say("listens: %s %s", file, f[1][strings.LastIndex(f[1], ":")+1:])
			}
		}
	}
	for text := range strings.Lines(read("/proc/net/unix")) {
		const accepts = "00010000"
		if f := strings.Fields(text); len(f) > 7 && f[3] == accepts {
			say("listens: unix %s", f[7])
		}
	}
	if n := strings.Count(read("/proc/net/packet"), "\n"); n > 1 {
		say("listens: packet, %d", n-1)
	}
	programs, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, status := range programs {
		text := read(status)
		if name, memory := field(text, "Name"), field(text, "VmRSS"); memory != "" {
			say("runs: %s %s", name, memory)
		}
		open, _ := filepath.Glob(filepath.Join(filepath.Dir(status), "fd/*"))
		for _, fd := range open {
			if target, _ := os.Readlink(fd); strings.HasPrefix(target, "/dev/watchdog") {
				say("watchdog: %s", field(text, "Name"))
			}
		}
	}
	for text := range strings.Lines(read("/run/init.log")) {
		say("log: %s", strings.TrimSpace(text))
	}
	say("inspect: end")
	line.Write(out.Bytes())
	time.Sleep(time.Second)
	os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
}

func read(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}

// field is a line of /proc/PID/status.
func field(text, name string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}
