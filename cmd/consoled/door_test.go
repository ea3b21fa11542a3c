package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestSSHShutsOutWhoGuesses(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.password, box.patience = "right", 2
	box.serve(t, socket)
	addr := sshServer(t, socket, t.TempDir())
	said := ""
	guess := func() error {
		_, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
			User: "admin", Auth: []ssh.AuthMethod{ssh.Password("wrong")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 20 * time.Second,
			BannerCallback: func(text string) error { said += text; return nil },
		})
		return err
	}
	start := time.Now()
	for range 2 {
		if guess() == nil {
			t.Fatal("a wrong password is let in")
		}
	}
	if took := time.Since(start); took < 2*time.Second {
		t.Errorf("two wrong passwords took %v only", took)
	}
	if !strings.Contains(said, "try again in 10 minutes") {
		t.Errorf("who is shut out is told %q", said)
	}
	if _, err := dial(t, addr, "right"); err == nil {
		t.Error("who is shut out gets in")
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if text, _ := io.ReadAll(c); !strings.Contains(string(text), "try again in 10 minutes") {
		t.Errorf("who comes again is told %q", text)
	}
}

// from is a connection from another address of this machine.
func from(t *testing.T, source, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 20 * time.Second}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// held is a connection that has come as far as the question for the password.
func held(t *testing.T, source, addr string) {
	c := from(t, source, addr)
	asked := make(chan struct{})
	go ssh.NewClientConn(c, addr, &ssh.ClientConfig{User: "admin", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Auth: []ssh.AuthMethod{ssh.PasswordCallback(func() (string, error) {
			close(asked)
			<-t.Context().Done()
			return "", io.EOF
		})}})
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Error("no question for a password")
	}
}

// TestTheAdministratorGetsIn whatever others hold open.
func TestTheAdministratorGetsIn(t *testing.T) {
	for name, occupy := range map[string]func(t *testing.T, addr string){
		"four addresses that say nothing": func(t *testing.T, addr string) {
			for n := range 60 {
				from(t, fmt.Sprintf("127.0.1.%d", n%4+1), addr)
			}
		},
		"his own address says nothing": func(t *testing.T, addr string) {
			for range 60 {
				from(t, "127.0.0.1", addr)
			}
		},
		"forty addresses that say nothing": func(t *testing.T, addr string) {
			for n := range 40 {
				from(t, fmt.Sprintf("127.0.2.%d", n+1), addr)
			}
		},
		"four addresses at the question for the password": func(t *testing.T, addr string) {
			for n := range 32 {
				held(t, fmt.Sprintf("127.0.3.%d", n%4+1), addr)
			}
		},
		"thirty-two of them": func(t *testing.T, addr string) {
			for n := range 32 {
				held(t, fmt.Sprintf("127.0.4.%d", n+1), addr)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			box, socket := newToy(), socketPath(t)
			box.password = "right"
			box.serve(t, socket)
			addr := sshServer(t, socket, t.TempDir())
			first, err := dial(t, addr, "right") // one who is logged in stays
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			occupy(t, addr)
			c, err := dial(t, addr, "right")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, c := range []*ssh.Client{first, c} {
				if out, err := session(t, c).Output("show version"); err != nil || !strings.Contains(string(out), "toy of") {
					t.Errorf("%q, %v", out, err)
				}
			}
		})
	}
}
