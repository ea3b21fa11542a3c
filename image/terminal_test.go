package image

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/creack/pty"
)

// make qemu gives the serial line to a terminal, whose keys come one by one.
func TestTheEmulatorInATerminal(t *testing.T) {
	program := filepath.Join(t.TempDir(), "qemu")
	tool(t, "go", "build", "-o", program, "./cmd/qemu")
	cmd := exec.Command(program, "-ssh", freePort(t), freshDisk(t))
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	e := &emulated{t: t, cmd: cmd, more: make(chan []byte, 64), keys: terminal}
	go e.listen(terminal)
	t.Cleanup(e.powerOff)
	e.until(`000010>`)
	for range 2 {
		for _, key := range []byte("show clock\r") {
			if _, err := terminal.Write([]byte{key}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // as a person types
		}
		e.until(`Not synchronised(?s:.*)000010>`)
	}
	if _, err := terminal.Write([]byte{0x1d}); err != nil {
		t.Fatal(err)
	}
	e.ended()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}
