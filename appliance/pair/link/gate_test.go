package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

// from opens a connection to a box from an address of the loopback device.
func from(t testing.TB, address netip.Addr, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: address.AsSlice()}, Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp", to.String())
	for ; errors.Is(err, syscall.ECONNREFUSED) && t.Context().Err() == nil; conn, err = d.Dial("tcp", to.String()) { // the box has just been started
		time.Sleep(time.Millisecond)
	}
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// ends waits until the other side ends a connection.
func ends(t testing.TB, conn net.Conn, what string) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: stays connected", what)
	}
}

func TestNobodyElseGetsIn(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	two.start()
	one.until("linked", linked)
	other := two.s.Own.Addr()

	stranger, err := EnsureKey(filepath.Join(t.TempDir(), "key.pem"))
	must(t, err)
	config := func(k *Key, change func(*tls.Config)) *tls.Config {
		c := k.tls(one.s.Key.Hash())
		change(c)
		return c
	}
	for what, c := range map[string]*tls.Config{
		"another key":    config(stranger, func(*tls.Config) {}),
		"no certificate": config(two.s.Key, func(c *tls.Config) { c.Certificates = nil }),
		"TLS 1.2":        config(two.s.Key, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }),
		"the certificate without its key": config(two.s.Key, func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: two.s.Key.certificate.Certificate, PrivateKey: stranger.certificate.PrivateKey}}
		}),
		"this box's own key": config(one.s.Key, func(*tls.Config) {}),
	} {
		conn := tls.Client(from(t, other, one.s.Own), c)
		if err := conn.Handshake(); err == nil {
			if text, err := bufio.NewReader(conn).ReadString('\n'); err == nil { // in TLS 1.3 a client learns late that it is refused
				t.Errorf("%s: it says %q", what, text)
			}
		}
	}
	plain := from(t, other, one.s.Own)
	_, err = plain.Write([]byte("CONNECT {}\r\nPUB word 2\r\nhi\r\n"))
	must(t, err)
	ends(t, plain, "without TLS")
	ends(t, from(t, netip.MustParseAddr("127.0.7.9"), one.s.Own), "from another address")

	// Those who do not go on hold up the next ones, for a while.
	var slow []net.Conn
	for range 2 * handshakes {
		slow = append(slow, from(t, other, one.s.Own))
	}
	for _, conn := range slow {
		ends(t, conn, "a handshake that does not go on")
	}
	one.until("linked", linked)
	if listeners := listening(t); listeners != 2 {
		t.Errorf("%d sockets listen, want that of each box", listeners)
	}
}

// listening counts the sockets of this process on which it listens.
func listening(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		var number int
		if _, err := fmt.Sscan(fd.Name(), &number); err != nil {
			continue
		}
		if yes, err := syscall.GetsockoptInt(number, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && yes == 1 {
			n++
		}
	}
	return n
}

func TestTenThousandConnections(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	two.start()
	one.Lead()
	one.Sender().Put(pair.Calls, "a", []byte("1"))
	one.flush()
	before := runtime.NumGoroutine()
	var held []net.Conn
	most := 0
	for n := range 10_000 {
		address := netip.MustParseAddr("127.0.7.9")
		if n%2 == 0 {
			address = two.s.Own.Addr()
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: address.AsSlice()}, Timeout: 10 * time.Second}
		conn, err := d.Dial("tcp", one.s.Own.String())
		must(t, err)
		if held = append(held, conn); len(held) == 200 { // so many stay open at this side
			for _, c := range held {
				c.Close()
			}
			held = held[:0]
		}
		most = max(most, runtime.NumGoroutine())
	}
	for _, c := range held {
		c.Close()
	}
	if most > before+3*handshakes+10 {
		t.Errorf("%d goroutines, %d before", most, before)
	}
	one.Sender().Put(pair.Calls, "a", []byte("2"))
	one.flush()
	two.has(pair.Calls, "a=2")
}

// peer is the other box as it is not meant to be: it has the key, and says what it likes.
func peer(t *testing.T, b, as *box) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	conn := tls.Client(from(t, as.s.Own.Addr(), b.s.Own), as.s.Key.tls(b.s.Key.Hash()))
	must(t, conn.Handshake())
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(line, "INFO ") {
		t.Fatalf("it begins with %q", line)
	}
	return conn, in
}

// answer says something and returns what comes back before the PONG.
func answer(t *testing.T, conn net.Conn, in *bufio.Reader, say string) (lines string) {
	t.Helper()
	_, _ = io.WriteString(conn, say+"PING\r\n") // it may end the connection before all is written
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return lines + "end"
		}
		if line == "PONG\r\n" {
			return lines
		}
		lines += line
	}
}

func TestWhatTheOtherBoxMayDoAtTheEngine(t *testing.T) {
	one, two := twoBoxes(t)
	one.start()
	const connect = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
	for _, c := range []struct{ what, say, want string }{
		{"subscribes", connect + "SUB > 1\r\n", "-ERR 'Permissions Violation for Subscription"},
		{"subscribes to words", connect + "SUB word 1\r\n", "-ERR 'Permissions Violation for Subscription"},
		{"publishes elsewhere", connect + "PUB $SYS.REQ.SERVER.PING 0\r\n\r\n", "-ERR 'Permissions Violation for Publish"},
		{"is the box itself", `CONNECT {"user":"own","pass":""}` + "\r\n", "-ERR 'Authorization Violation'"},
		{"says too much", connect + fmt.Sprintf("PUB word %d\r\n", maxMessage+1), "-ERR 'Maximum Payload Violation'"},
		{"says a gigabyte", connect + "PUB word 999999999\r\n", "-ERR 'Maximum Payload Violation'"},
		{"is a route", connect + "RS+ $G word\r\n", "-ERR 'Unknown Protocol Operation'"},
		{"is a route with a large message", connect + "RMSG $G word 900000000\r\n", "-ERR 'Unknown Protocol Operation'"},
		{"has a long line", connect + "PUB " + strings.Repeat("a", 5000) + " 0\r\n\r\n", "-ERR "},
	} {
		conn, in := peer(t, one, two)
		if got := answer(t, conn, in, c.say); !strings.HasPrefix(got, c.want) && got != "end" {
			t.Errorf("a box that %s hears %q", c.what, got)
		}
		conn.Close()
	}

	// What it publishes as it should, but is nonsense.
	conn, in := peer(t, one, two)
	for _, subject := range subjects {
		for _, text := range []string{"", "x", strings.Repeat("\xff", 30), strings.Repeat("\xff", maxMessage-100)} {
			if got := answer(t, conn, in, fmt.Sprintf("%sPUB %s %d\r\n%s\r\n", connect, subject, len(text), text)); got != "" {
				t.Errorf("%s: %q", subject, got)
			}
		}
	}
	conn.Close()
	two.start()
	one.Lead()
	one.Sender().Put(pair.Calls, "a", []byte("1"))
	one.flush()
	two.has(pair.Calls, "a=1")
}

// TestAnEngineThatTalksNonsense is the other box as this one connects to it.
func TestAnEngineThatTalksNonsense(t *testing.T) {
	one, two := twoBoxes(t)
	l, err := tls.Listen("tcp", two.s.Own.String(), two.s.Key.tls(one.s.Key.Hash()))
	must(t, err)
	defer l.Close()
	says := []string{
		"", "x\r\n", "INFO {}\r\nMSG a 1 900000000000000000\r\n", "INFO {}\r\nPONG\r\nMSG a 1 900000000000000000\r\n", "INFO {}\r\nPONG\r\nMSG a 1 2\r\nhi\r\n",
		"INFO " + strings.Repeat("x", 100_000), "INFO {}\r\n-ERR 'go\x1b away'\r\n", "INFO {}\r\nPONG\r\n-ERR 'go away'\r\n",
	}
	heard := make(chan int, len(says))
	go func() {
		for n := range says {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, says[n])
			if says[n] == "" {
				conn.Close()
			}
			_, _ = io.Copy(io.Discard, conn) // until the box ends it
			conn.Close()
			heard <- n
		}
	}()
	one.start()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := range says {
		select {
		case <-heard:
		case <-ctx.Done():
			t.Fatalf("the box stays with an engine that says %.60q", says[n])
		}
		one.Apply(Settings{}) // it waits a second otherwise
		one.Apply(one.s)
	}
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pair", "key.pem")
	key, err := EnsureKey(file)
	must(t, err)
	again, err := EnsureKey(file)
	must(t, err)
	if len(key.Hash()) != 64 || key.Hash() != again.Hash() {
		t.Errorf("%q, then %q", key.Hash(), again.Hash())
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); text != strings.TrimSuffix(strings.Repeat(key.Hash()+" ", 4), " ") {
		t.Errorf("it prints as %.300s", text)
	}
	must(t, os.Chmod(file, 0o640))
	if _, err := EnsureKey(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
	must(t, os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600))
	must(t, os.Chmod(file, 0o600))
	if _, err := EnsureKey(file); err == nil || strings.Contains(err.Error(), "AAAA") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestSettingsOfAConfiguration(t *testing.T) {
	one, _ := twoBoxes(t)
	if s := SettingsOf(nobody(), one.s.Key); s != (Settings{}) {
		t.Errorf("without a pair: %+v", s)
	}
	for n, key := range []string{one.s.Key.Hash(), strings.Repeat("ab", 32)} {
		c := pairOf(key)
		s := SettingsOf(c, one.s.Key)
		if n == 1 {
			if s != (Settings{}) {
				t.Errorf("of a stranger: %+v", s)
			}
			continue
		}
		if s.Box != 1 || s.Pin != strings.Repeat("cd", 32) || s.Own.String() != "10.0.0.1:4223" || s.Other.String() != "10.0.0.2:4223" {
			t.Errorf("%+v", s)
		}
	}
}
