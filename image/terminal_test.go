package image

import (
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// make qemu gives the serial line to a terminal, whose keys come one by one.
func TestTheEmulatorInATerminal(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "qemu")
	tool(t, "go", "build", "-o", program, "./cmd/qemu")
	cmd := exec.Command(program, "-ssh", freePort(t), freshDisk(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	terminal, line, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, line
	e := &emulated{t: t, cmd: cmd, line: newSerialLine(), keys: terminal}
	if e.ended, err = startHere(cmd); err != nil {
		t.Fatal(err)
	}
	line.Close()
	go io.Copy(e.line, terminal)
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
	e.ends()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}
