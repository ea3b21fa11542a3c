package image

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// emulateOnly names a disk in the environment of this binary: it then starts an emulator, tells its process, and waits for its own end.
const emulateOnly = "VIADUCT_EMULATE_ONLY"

func emulateForEver(disk string) int {
	cmd, err := Machine{Disk: disk, Work: filepath.Dir(disk), UEFI: true}.Command(context.Background())
	var ended <-chan struct{}
	if err == nil {
		ended, err = startHere(cmd)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(cmd.Process.Pid)
	<-ended
	return 1
}

// A test binary that is killed, or ends by its time limit, cleans nothing up.
func TestAnEmulatorEndsWithItsTestHoweverThatEnds(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), emulateOnly+"="+disk)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	emulator, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	defer unix.Close(emulator)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ends := []unix.PollFd{{Fd: int32(emulator), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(ends, int(silence.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			unix.PidfdSendSignal(emulator, unix.SIGKILL, nil, 0)
			t.Errorf("the emulator outlives what started it (%v)", err)
		}
		return
	}
}
