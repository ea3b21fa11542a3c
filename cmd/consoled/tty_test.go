package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"viaduct/appliance/api/wire"
)

// stdioTTY is somebody at a terminal with `consoled -stdio`.
func stdioTTY(t *testing.T, socket string) (*user, *os.File) {
	t.Helper()
	c := consoled(t, "-socket", socket, "-stdio")
	tty, err := pty.StartWithSize(c, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM) // tells nothing when the session has ended
		c.Wait()
		tty.Close()
	})
	return newUser(t, tty, tty), tty
}

func TestKeysOnATerminal(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, tty := stdioTTY(t, socket)
	u.sees("box>")

	u.types("?") // help where a keyword may stand
	u.sees("box>?\r\n  configure  Change the configuration\r\n  enable     More commands\r\n  show       Look\r\nbox>")
	u.types("en\t") // Tab completes
	u.sees("able ")
	u.types("\x03") // Ctrl-C abandons the line
	u.sees("^C\r\nbox>")
	u.types("enable\r")
	u.sees("box#")
	u.types("configure\r")
	u.sees("box(cfg)#")
	u.types("map (00)?49(...)?$ to \\2\r") // a character in free text
	u.sees("to \\2\r\nbox(cfg)#")
	u.types("map \x16?\r") // Ctrl-V makes it one anywhere
	u.sees("\r\nbox(cfg)#")
	u.types("table A\r")
	u.sees("box(table-A)#")
	u.types("nonsense\x1a") // Ctrl-Z goes to the top and forgets the line
	u.sees("^Z\r\nbox#")
	u.types("\x10\x10\r") // history: the line before the last one
	u.sees("map ?")
	u.sees("box#")
	u.types("\x1b[A\x1b[A\r") // and with arrows, past what was just run
	u.sees("table A")
	u.sees("box#")
	u.types("show verson\x1b[D\x1b[Di\r") // editing inside the line
	u.sees("toy of")
	u.sees("box#")

	box.events <- wire.Event{Text: "debug: call 1"}
	u.sees("debug: call 1\r\nbox#")
	u.types("evil\r")
	u.sees(`\x1b]0;title\x07` + "\r\nbox#")
	u.types("no terminal more\r")
	u.sees("box#")
	u.types("show lines 100\r")
	u.sees("line 100\r\nbox#")
	u.types("terminal more\r")
	u.sees("box#")
	u.types("show lines 100\r")
	u.sees("line 23\r\n--More--")
	u.types(" ")
	u.sees("line 46\r\n--More--")
	u.types("\r")
	u.sees("line 47\r\n--More--")
	u.types("q")
	u.sees("box#")
	pty.Setsize(tty, &pty.Winsize{Rows: 11, Cols: 80})
	eventually(t, "a page has the new height", func() bool { // consoled hears of it by a signal
		u.types("show lines 100\r")
		page := u.sees("--More--")
		u.types("q")
		u.sees("box#")
		return strings.HasSuffix(page, "line 10\r\n")
	})
	u.types("wait\r")
	u.sees("waiting\r\n")
	u.types("\x03")
	u.sees("^C\r\nbox#")
	u.types("wait\r")
	u.sees("waiting\r\n")
	u.types("\x03")
	u.sees("^C\r\nbox#")
	u.types("exit\r")
	u.sees("box>")
	u.types("\x04")
	u.ends()
	want := []string{
		"box>enable", "box#configure", `box(cfg)#map (00)?49(...)?$ to \2`, "box(cfg)#map ?", "box(cfg)#table A", "box(table-A)#end",
		"box#map ?", "box#table A",
	}
	if got := box.lines(); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("ran %q\nwant %q", got, want)
	}
}

func TestBlocksOnATerminal(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, _ := stdioTTY(t, socket)
	u.sees("box>")
	u.types("import x\r")
	u.sees("when done):\r\n")
	u.sends(strings.ReplaceAll(pem, "\n", "\r") + "\r" + "show version\r")
	u.sees("imported\r\nbox>show version\r\ntoy of")
	u.sees("box>")
	u.types("import y\r")
	u.sees("when done):\r\n")
	u.sends(strings.ReplaceAll(pem, "\n", "\r") + "show version\r") // the empty line is missing
	u.sees("the empty line after the END line is missing")
	u.sees("imported\r\nbox>show version\r\ntoy of")
	u.sees("box>")
	u.types("unlock z\r")
	u.sees("when done):\r\n")
	u.sends(strings.ReplaceAll(pem, "\n", "\r"))
	u.sees("-----END CERTIFICATE-----\r\n")
	u.types("\x04") // Ctrl-D ends it as well
	u.sees("Pass phrase: ")
	u.types("s3cret\r")
	if shown := u.sees("imported"); strings.Contains(shown, "s3") {
		t.Errorf("the pass phrase is shown: %q", shown)
	}
	u.sees("box>")
	u.types("import w\r")
	u.sees("when done):\r\n")
	u.types("\x03")
	u.sees("nothing stored\r\nbox>")
	if want := []string{pem, pem, pem + "s3cret\n"}; !slices.Equal(box.blocks, want) {
		t.Errorf("blocks %q, want %q", box.blocks, want)
	}
}

func TestPastesOnATerminal(t *testing.T) {
	for _, c := range []struct{ name, newline, before, after string }{
		{"CR", "\r", "", ""},
		{"LF", "\n", "", ""},
		{"CRLF", "\r\n", "", ""},
		{"bracketed", "\r", "\x1b[200~", "\x1b[201~"},
	} {
		t.Run(c.name, func(t *testing.T) {
			box, socket := newToy(), socketPath(t)
			box.serve(t, socket)
			u, _ := stdioTTY(t, socket)
			u.sees("box>")
			want := []string{"box>enable", "box#configure"}
			lines := []string{"enable", "configure"}
			for i := range 3000 {
				line := fmt.Sprintf("map (00)?49%d(...)?$ to \\2", i)
				lines = append(lines, "  "+line)
				want = append(want, "box(cfg)#"+line)
			}
			long := "map " + strings.Repeat("x?", 30000)
			lines, want = append(lines, long), append(want, "box(cfg)#"+long)
			start := time.Now()
			go func() {
				io.WriteString(u.w, c.before+strings.Join(lines, c.newline)+c.newline+c.after)
			}()
			u.sees("no problems\r\nbox(cfg)#")
			t.Logf("%d lines in %v", len(lines), time.Since(start))
			got := box.lines()
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], "#  ", "#")
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d lines ran, want %d; the last %.200q", len(got), len(want), got[len(got)-1])
			}
			if box.ends != 1 {
				t.Errorf("the paste ended %d times", box.ends)
			}
		})
	}
}

func TestGarbageOnATerminal(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, _ := stdioTTY(t, socket)
	u.sees("box>")
	u.sends("show \x01\x00\xff\xfe\xc3\x28\r")
	u.sees("is not text: not run\r\nbox>")
	u.sends("\x1b" + strings.Repeat("[9;", 300) + "\r") // an escape sequence that never ends
	u.sends("\x1b")
	time.Sleep(200 * time.Millisecond)
	u.sends("\r")
	go io.WriteString(u.w, strings.Repeat("y", 1<<20)+"\r")
	u.sees("the line has 1048576 bytes, the limit is 65536: not run")
	u.types("\x15show version\r")
	u.sees("toy of")
}

func TestSessionSurvivesARestartOfSbcd(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	u, _ := stdioTTY(t, socket)
	u.sees("sbcd does not answer")
	u.sees("> ")
	stop := box.serve(t, socket)
	u.types("enable\r")
	u.sees("box#")
	u.types("configure\r")
	u.sees("box(cfg)#")
	stop()
	u.types("table A\r")
	u.sees("sbcd does not answer")
	u.sees("not run\r\n")
	u.sees("  factory ")
	u.sees("box(cfg)#")
	u.sends("table A\r")
	u.sees("sbcd does not answer")
	u.sends("restart\r") // at once, before the answer has been shown whole
	u.sees("sbcd will start it again")
	u.sees("box(cfg)#")
	box.serve(t, socket)
	u.types("table A\r")
	u.sees("box(table-A)#")
	u.sends("map 1\rmap 2\r")
	u.sees("no problems\r\nbox(table-A)#")
}

// serialTTY is consoled on a pty as its serial line.
func serialTTY(t *testing.T, socket string) *user {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	c := consoled(t, "-socket", socket, "-serial", slave.Name())
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			t.Errorf("consoled: %v", err)
		}
		master.Close()
		slave.Close()
	})
	return newUser(t, master, master)
}

func TestSerialLineAtLineSpeed(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u := serialTTY(t, socket)
	u.sees("box>")
	lines, want := []string{"enable", "configure"}, []string{"box>enable", "box#configure"}
	for i := range 300 {
		line := fmt.Sprintf("map (00)?49%d(...)?$ to sip:user?%d@192.168.1.100", i, i)
		lines, want = append(lines, line), append(want, "box(cfg)#"+line)
	}
	text := strings.Join(lines, "\r\n") + "\r\n"
	tick := time.NewTicker(time.Millisecond) // 115200 8N1: 11.5 bytes a millisecond
	defer tick.Stop()
	for n := 0; len(text) > 0; n++ {
		<-tick.C
		k := min(11+n%2, len(text))
		u.sends(text[:k])
		text = text[k:]
	}
	u.sees("no problems\r\nbox(cfg)#")
	if got := box.lines(); !slices.Equal(got, want) {
		t.Errorf("%d lines ran, want %d", len(got), len(want))
		for i := range got {
			if i < len(want) && got[i] != want[i] {
				t.Fatalf("line %d: %q, want %q", i, got[i], want[i])
			}
		}
	}
}

func TestSerialLineWaitsForSbcd(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	u := serialTTY(t, socket)
	u.sees("The box is starting.\r\n")
	stop := box.serve(t, socket)
	if shown := u.sees("box>"); strings.Contains(shown, "does not answer") {
		t.Errorf("a box that starts is greeted with %q", shown)
	}
	stop()
	u.types("exit\r")
	u.sees("sbcd does not answer: it does not run: not run\r\n")
	box.serve(t, socket)
	u.types("show version\r")
	u.sees(`toy of "" on "serial"`)
}

func TestSerialLogin(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.password, box.banner = "right", "Viaduct SBC"
	box.serve(t, socket)
	u := serialTTY(t, socket)
	u.sees("Viaduct SBC\r\nlogin: ")
	u.types("admin\r")
	u.sees("Password: ")
	u.types("wrong\r")
	u.sees("% login incorrect")
	u.sees("login: ")
	u.types("admin\r")
	u.sees("Password: ")
	u.types("right\r")
	u.sees("box>")
	u.types("show version\r")
	u.sees(`toy of "admin" on "serial"`)
	u.sees("box>")
	box.lock.Lock()
	box.idle = 400 * time.Millisecond // of the next session: one that types must not be logged out on a slow machine
	box.lock.Unlock()
	u.types("exit\r")
	u.sees("press Enter to log in ")
	u.types("\r")
	u.sees("login: ")
	u.types("admin\r")
	u.sees("Password: ")
	u.types("right\r")
	u.sees("box>")
	u.types("half a li")
	u.sees("% nothing was typed for 400ms: logged out")
	u.sees("press Enter to log in ")
	u.types("\r")
	u.sees("login: ")
}
