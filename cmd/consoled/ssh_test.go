package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
)

// sshServer runs consoled with an SSH port of the kernel's choice and returns its address.
func sshServer(t *testing.T, socket, state string) string {
	t.Helper()
	return listening(t, consoled(t, "-socket", socket, "-ssh", "127.0.0.1:0", "-state", state))
}

// listening starts a consoled and returns the address of its SSH port.
func listening(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			t.Errorf("consoled: %v", err)
		}
	})
	addr := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(log); s.Scan(); {
			if m := regexp.MustCompile(`peer=(127\.0\.0\.1:\d+)`).FindStringSubmatch(s.Text()); m != nil && strings.Contains(s.Text(), "listens") {
				addr <- m[1]
			}
		}
	}()
	select {
	case a := <-addr:
		return a
	case <-time.After(patience):
		t.Fatal("consoled does not listen")
		return ""
	}
}

func dial(t *testing.T, addr, password string) (*ssh.Client, error) {
	t.Helper()
	return ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience,
	})
}

func TestSSH(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.password = "right"
	box.serve(t, socket)
	addr := sshServer(t, socket, t.TempDir())
	if _, err := dial(t, addr, "wrong"); err == nil {
		t.Fatal("a wrong password is let in")
	}
	c, err := dial(t, addr, "right")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	t.Run("one command", func(t *testing.T) {
		s := session(t, c)
		out, err := s.Output("show version")
		if err != nil || !strings.HasPrefix(string(out), `toy of "admin" on "ssh 127.0.0.1:`) {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("a command that fails", func(t *testing.T) {
		s := session(t, c)
		out, err := s.Output("bogus")
		if e, ok := err.(*ssh.ExitError); !ok || e.ExitStatus() != 1 || !strings.Contains(string(out), "unknown: bogus") {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("a command with a block on its input", func(t *testing.T) {
		s := session(t, c)
		s.Stdin = strings.NewReader(pem)
		out, err := s.Output("import x")
		if err != nil || !strings.Contains(string(out), "imported") || !slices.Equal(box.blocks, []string{pem}) {
			t.Errorf("%q, %v, blocks %q", out, err, box.blocks)
		}
	})
	t.Run("a shell without a terminal is a paste", func(t *testing.T) {
		s := session(t, c)
		var out bytes.Buffer
		s.Stdin, s.Stdout = strings.NewReader("enable\nconfigure\nmap a?\n"), &out
		if err := s.Shell(); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(); err != nil || out.String() != "no problems\n" {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
	t.Run("a terminal", func(t *testing.T) {
		s := session(t, c)
		in, err1 := s.StdinPipe()
		out, err2 := s.StdoutPipe()
		if err1 != nil || err2 != nil || s.RequestPty("vt100", 10, 80, nil) != nil || s.Shell() != nil {
			t.Fatal("no terminal")
		}
		u := newUser(t, out, in)
		u.sees("box>")
		u.types("show lines 50\r")
		u.sees("line 9\r\n--More--")
		size := ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{80, 20, 640, 160})
		if _, err := s.SendRequest("window-change", true, size); err != nil { // the answer comes when it is done
			t.Fatal(err)
		}
		u.types(" ")
		u.sees("line 28\r\n--More--")
		u.types("\x03")
		u.sees("box>")
		u.types("exit\r")
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing else", func(t *testing.T) {
		if ch, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(struct {
			Host string
			Port uint32
			From string
			P    uint32
		}{"127.0.0.1", 22, "127.0.0.1", 1})); err == nil {
			ch.Close()
			t.Error("forwards connections")
		}
		if err := session(t, c).RequestSubsystem("sftp"); err == nil {
			t.Error("serves sftp")
		}
	})
	t.Run("several at once, each with its mode", func(t *testing.T) {
		var users []*user
		for range 3 {
			s := session(t, c)
			in, _ := s.StdinPipe()
			out, _ := s.StdoutPipe()
			if s.RequestPty("vt100", 24, 80, nil) != nil || s.Shell() != nil {
				t.Fatal("no terminal")
			}
			users = append(users, newUser(t, out, in))
		}
		users[0].sees("box>")
		users[0].types("enable\r")
		users[0].sees("box#")
		users[1].types("wait\r")
		users[2].types("show version\r")
		users[2].sees("toy of")
	})
}

func session(t *testing.T, c *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSSHHostKeyIsKept(t *testing.T) {
	box, socket, state := newToy(), socketPath(t), filepath.Join(t.TempDir(), "new", "state")
	box.serve(t, socket)
	key := func() (key string) {
		addr := ""
		t.Run("start", func(t *testing.T) {
			addr = sshServer(t, socket, state)
			ssh.Dial("tcp", addr, &ssh.ClientConfig{Timeout: patience, HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
				key = ssh.FingerprintSHA256(k) + " " + k.Type()
				return nil
			}})
		})
		return key
	}
	first, second := key(), key()
	if first != second || !strings.HasSuffix(first, " ssh-ed25519") {
		t.Errorf("host key %q, after a restart %q", first, second)
	}
	f, err := os.Stat(filepath.Join(state, "ssh_host_ed25519_key"))
	if err != nil || f.Mode().Perm() != 0o600 {
		t.Errorf("host key file: %v %v", f, err)
	}
}

// TestOpenSSH drives the console with the client that administrators have.
func TestOpenSSH(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.password = "right"
	box.serve(t, socket)
	host, port, _ := net.SplitHostPort(sshServer(t, socket, t.TempDir()))
	dir := t.TempDir()
	ask := filepath.Join(dir, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\necho right\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	client := func(args ...string) *exec.Cmd {
		c := exec.Command("ssh", append([]string{"-F", "none", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(dir, "known"),
			"-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no"}, args...)...)
		c.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0")
		return c
	}
	out, err := client("admin@"+host, "show", "version").Output()
	if err != nil || !strings.HasPrefix(string(out), `toy of "admin"`) {
		t.Fatalf("%q, %v", out, err)
	}
	if out, err := client("admin@"+host, "file").Output(); err != nil || !bytes.Equal(out, toyFile()) {
		t.Errorf("a file comes as %d octets of %d, %v", len(out), len(toyFile()), err)
	}
	if out, err := client("-tt", "admin@"+host, "file").Output(); err == nil || !strings.Contains(string(out), "% no terminal shows it") {
		t.Errorf("at a terminal: %q, %v", out, err)
	}
	c := client("admin@" + host)
	c.Stdin = strings.NewReader("enable\nconfigure\nmap (00)?49(...)?$ to \\2\n")
	if out, err := c.Output(); err != nil || string(out) != "no problems\n" {
		t.Errorf("paste: %q, %v", out, err)
	}
	if got := box.lines(); got[len(got)-1] != `box(cfg)#map (00)?49(...)?$ to \2` {
		t.Errorf("ran %q", got)
	}
	c = client("-tt", "admin@"+host)
	tty, err := pty.StartWithSize(c, &pty.Winsize{Rows: 12, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	u := newUser(t, tty, tty)
	u.sees("box>")
	u.types("en\t\r")
	u.sees("box#")
	u.types("?")
	u.sees("  show       Look\r\nbox#")
	u.types("configure\r")
	u.sees("box(cfg)#")
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "map %d?\r", i)
	}
	go u.w.Write([]byte(lines.String()))
	u.sees("no problems\r\nbox(cfg)#")
	u.types("\x1ashow lines 30\r")
	u.sees("line 11\r\n--More--")
	u.types("q")
	u.sees("box#")
	u.types("exit\r")
	u.sees("box>")
	u.types("exit\r")
	u.ends()
	if err := c.Wait(); err != nil {
		t.Errorf("ssh: %v", err)
	}
	if got := box.lines(); !slices.Contains(got, "box(cfg)#map 999?") {
		t.Errorf("the paste did not arrive: %d lines", len(got))
	}
}
