package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// consoled has nothing of root's left once it has its ports, and still does all that it is for.
func TestConsoledDropsItsPrivileges(t *testing.T) {
	const nobody = 65534
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &realBox{t: t, state: t.TempDir(), socket: filepath.Join(dir, "sbcd.sock"), uid: nobody}
	b.start()
	defer b.kill()
	if out, status := pipe(t, b.socket, "enable\nconfigure\nsuperuser admin password right-one\n"); status != 0 {
		t.Fatal(out)
	}
	c := consoled(t, "-socket", b.socket, "-ssh", "127.0.0.1:0", "-state", filepath.Join(dir, "console"), "-uid", fmt.Sprint(nobody))
	addr := listening(t, c)
	client, err := dial(t, addr, "right-one")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if out, err := session(t, client).Output("show version"); err != nil || !strings.Contains(string(out), "Serial:") {
		t.Errorf("%q, %v", out, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^Uid:\s+65534\s+65534\s+65534\s+65534$`, `(?m)^Gid:\s+65534\s+65534\s+65534\s+65534$`, `(?m)^Groups:\s*$`, `(?m)^CapEff:\s+0{13}(0|4)00$`} {
		if !regexp.MustCompile(want).Match(status) {
			t.Errorf("no %s in\n%s", want, status)
		}
	}
}
