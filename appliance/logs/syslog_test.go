package logs

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
)

// sender is a log with a Syslog that runs.
type sender struct {
	*Syslog
	log  *slog.Logger
	away chan string // what Away is told
}

// send runs a Syslog for servers at 127.0.0.1.
func send(t *testing.T, cfg *config.Config, secure func(p *config.TLSProfile, host string) (*tls.Config, error)) *sender {
	t.Helper()
	s := &sender{Syslog: NewSyslog(), away: make(chan string, 100)}
	s.log = slog.New(s.Handler())
	s.Apply(cfg, "sbc01")
	s.runs(t, secure)
	return s
}

func (s *sender) runs(t *testing.T, secure func(p *config.TLSProfile, host string) (*tls.Config, error)) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, SyslogNeeds{
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			},
			TLS: secure,
			Away: func(server, why string) {
				select {
				case s.away <- why:
				default:
				}
			},
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// to is a configuration with one server.
func to(port int, transport string) *config.Config {
	c := &config.Config{Syslog: &config.Syslog{}}
	c.Syslog.SetDefaults()
	c.Syslog.Remotes = []config.SyslogRemote{{Host: "log.example.com", Port: uint16(port), Transport: transport}}
	return c
}

// receiver takes connections and checks strictly what comes over them.
type receiver struct {
	net.Listener
	lines chan string // messages, without their frames

	mu   sync.Mutex
	errs []error
}

func receive(t *testing.T, secure *tls.Config) *receiver {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	t.Cleanup(func() { l.Close() })
	return &receiver{Listener: l, lines: make(chan string, 10_000)}
}

func (r *receiver) port() int { return r.Addr().(*net.TCPAddr).Port }

// serve reads the messages of one connection after the other.
func (r *receiver) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		if err := r.read(conn); err != nil {
			r.mu.Lock()
			r.errs = append(r.errs, err)
			r.mu.Unlock()
		}
		conn.Close()
	}
}

// read reads the messages of a connection until it ends between two of them.
func (r *receiver) read(conn io.Reader) error {
	for in := bufio.NewReader(conn); ; {
		text, err := frame(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.lines <- text
	}
}

// frame reads one message by RFC 6587, 3.4.1: MSG-LEN SP SYSLOG-MSG, where MSG-LEN has no leading zero.
func frame(in *bufio.Reader) (string, error) {
	length, err := in.ReadString(' ')
	if err == io.EOF && length == "" {
		return "", io.EOF
	}
	if err != nil {
		return "", fmt.Errorf("in a length: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
	if err != nil || n < 1 || n > largestStream || length[0] == '0' || length[0] == '+' {
		return "", fmt.Errorf("length %q", length)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(in, text); err != nil {
		return "", fmt.Errorf("in a message: %w", err)
	}
	return string(text), nil
}

// grammar is RFC 5424, 6, for messages without a BOM.
var grammar = regexp.MustCompile(`^<(\d|[1-9]\d|1[0-8]\d|19[01])>1 ` +
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ` +
	`([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ` +
	`(-|(?:\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+)(?: [^\x00-\x1f\x7f]*)?$`)

// next returns the next message, which must be one of RFC 5424 that holds all of want.
func (r *receiver) next(t *testing.T, want ...string) string {
	t.Helper()
	line := <-r.lines
	if !grammar.MatchString(line) {
		t.Errorf("no message of RFC 5424: %q", line)
	}
	for _, w := range want {
		if !strings.Contains(line, w) {
			t.Errorf("%q holds no %q", line, w)
		}
	}
	return line
}

func TestSyslogOverUDP(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := to(server.LocalAddr().(*net.UDPAddr).Port, "udp")
	c.Syslog.Severity, c.Syslog.Facility = "warning", "local3"
	l := send(t, &config.Config{}, nil)
	l.log.Error("before it is configured")
	l.Apply(c, "sbc01")
	l.log.Info("too little")
	l.log.With("gw", "wan").Warn("peer is away", "peer", strings.Repeat("ä", 3000), "err", strings.Repeat("y", 3000))
	b := make([]byte, 4096)
	n, _, err := server.ReadFromUDP(b)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b[:n]); !grammar.MatchString(text) || !strings.HasPrefix(text, "<156>1 ") || !strings.Contains(text, ` sbc01 sbcd - - - msg="peer is away" gw=wan peer=ää`) ||
		n > largestDatagram || n < largestDatagram-4 || !strings.HasSuffix(text, "ä") {
		t.Errorf("%d octets: %s", n, text)
	}
}

func TestWhatAMessageHolds(t *testing.T) {
	const hostile = "x\x1b[2J\n<13>1 - - forged - - -\r\x00\u2028 \"]\\ =\xff"
	for name, x := range map[string]struct {
		attrs []any
		data  string
	}{
		"nothing":         {nil, " - msg="},
		"a call":          {[]any{"call", "c17", "if", "a"}, `[viaduct@0 call="c17"] msg=`},
		"an alarm":        {[]any{"alarm", "link-down", "severity", "error", "subject", "eth00"}, `[viaduct@0 alarm="link-down" severity="error" subject="eth00"] msg=`},
		"a hostile value": {[]any{"subject", hostile, "err", errors.New(hostile)}, `[viaduct@0 subject="x\\x1b[2J\\x0a<13>1 - - forged - - -\\x0d\\x00\\u2028 \"\]\\ =\\xff"] msg=`},
		"a long one":      {[]any{"call", strings.Repeat("ä", 5000)}, `[viaduct@0 call="ää`},
	} {
		t.Run(name, func(t *testing.T) {
			r := slog.NewRecord(time.Date(2026, 11, 29, 21, 4, 5, 123456789, time.UTC), slog.LevelInfo, "peer is up", 0)
			r.Add(x.attrs...)
			text := string(form{hostname: "sbc01"}.format(16, "-", r, nil))
			if !grammar.MatchString(text) || len(text) > largestStream || !strings.HasPrefix(text, "<134>1 2026-11-29T21:04:05.123456Z sbc01 sbcd - - ") || !strings.Contains(text, x.data) {
				t.Errorf("%s\nwant\n%s", text, x.data)
			}
			berlin, _ := time.LoadLocation("Europe/Berlin")
			if old := string(form{hostname: "sbc01", old: true, zone: berlin}.format(16, "-", r, nil)); !strings.HasPrefix(old, `<134>Nov 29 22:04:05 sbc01 sbcd: msg="peer is up"`) || strings.ContainsAny(old, "\x1b\n\r\x00") {
				t.Errorf("in the old form: %q", old)
			}
		})
	}
}

func TestSyslogOverTCP(t *testing.T) {
	server := receive(t, nil)
	l := send(t, to(server.port(), "tcp"), nil)
	l.log.Info("early") // before there is a connection
	go server.serve()
	server.next(t, "msg=early")
	for n := range 100 {
		l.log.With("call", fmt.Sprint("c", n)).Info("call", "from", strings.Repeat("ä", n*10))
	}
	for n := range 100 {
		server.next(t, fmt.Sprintf(`[viaduct@0 call="c%d"]`, n))
	}
}

// The connection is lost in the middle of a message: the message comes again, whole and once, over the next one, and so does what follows.
func TestAConnectionIsLostInAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{log: NewSyslog(), queue: newQueue()}
		for n := range 10 {
			s.queue.push(fmt.Appendf(nil, "message %d %s", n, strings.Repeat("x", 100)))
		}
		needs := SyslogNeeds{Away: func(string, string) {}}
		read := func(there net.Conn, from, to int) *bufio.Reader {
			in := bufio.NewReaderSize(there, 16) // takes no more than it has to
			for n := from; n < to; n++ {
				if text, err := frame(in); err != nil || !strings.HasPrefix(text, fmt.Sprintf("message %d xxx", n)) {
					t.Errorf("message %d: %q, %v", n, text, err)
				}
			}
			return in
		}
		here, there := net.Pipe() // holds nothing: what is not read is not sent
		go func() {
			in := read(there, 0, 3)
			io.ReadFull(in, make([]byte, 5))
			there.Close()
		}()
		if _, err := s.deliver(t.Context(), here, needs); err == nil {
			t.Error("the connection is not lost")
		}
		here, there = net.Pipe()
		go func() {
			read(there, 3, 10)
			there.Close()
		}()
		if _, err := s.deliver(t.Context(), here, needs); !errors.Is(err, errClosed) {
			t.Errorf("%v", err)
		}
		if s.queue.first() != nil || s.queue.size != 0 {
			t.Errorf("%d octets are left", s.queue.size)
		}
	})
}

// What waits has a bound. The first messages are kept, and the server learns how many are missing after them.
func TestAServerIsAwayForLong(t *testing.T) {
	server := receive(t, nil)
	l := &sender{Syslog: NewSyslog(), away: make(chan string, 100)}
	l.log = slog.New(l.Handler())
	l.Apply(to(server.port(), "tcp"), "sbc01")
	const all = 2000
	for n := range all {
		l.log.Info("message", "count", n, "err", strings.Repeat("y", 1000))
	}
	q := l.settings.Load().servers[0].queue
	kept := len(q.list)
	if q.size > queueMax || kept < queueMax/1300 || kept == all {
		t.Fatalf("%d messages of %d octets are kept", kept, q.size)
	}
	l.runs(t, nil)
	go server.serve()
	for n := range kept {
		server.next(t, fmt.Sprintf(" count=%d ", n))
	}
	server.next(t, "log messages are lost", fmt.Sprintf("count=%d", all-kept))
	l.log.Info("and on it goes")
	server.next(t, "and on it goes")
}

// A configuration that changes leaves what waits, also when the transport is another one.
func TestSettingsChangeWhileMessagesWait(t *testing.T) {
	server := receive(t, nil)
	l := send(t, to(1, "tcp"), nil)
	if why := <-l.away; !strings.Contains(why, "refused") {
		t.Errorf("away: %s", why)
	}
	l.log.Info("first")
	l.Apply(to(server.port(), "tcp"), "sbc02")
	go server.serve()
	server.next(t, "sbc01", "msg=first")
	l.log.Info("second")
	server.next(t, "sbc02", "msg=second")
	l.Apply(&config.Config{}, "sbc02")
	l.log.Info("to nobody")
}

// trusted is a key store whose one certificate is trusted.
type trusted struct{ *x509.Certificate }

func (k trusted) Certificates(string) ([]*x509.Certificate, error) {
	return []*x509.Certificate{k.Certificate}, nil
}
func (trusted) PrivateKey(string) (crypto.Signer, error) { return nil, fs.ErrNotExist }

// overTLS is a configuration with one server over TLS, and the settings for connections to it, where the certificate in PEM is trusted.
func overTLS(t *testing.T, port int, trust []byte) (*config.Config, func(*config.TLSProfile, string) (*tls.Config, error)) {
	t.Helper()
	list, err := pki.ParseCertificates(trust)
	if err != nil {
		t.Fatal(err)
	}
	p := &config.TLSProfile{Name: "LOG", V12: true, V13: true, AuthOutgoing: true, Trusted: []config.PKIName{"pki:certificate/LOG"}}
	c := to(port, "tls")
	c.TLS, c.Syslog.TLS.Name = []*config.TLSProfile{p}, "LOG"
	return c, func(p *config.TLSProfile, host string) (*tls.Config, error) {
		return pki.ClientConfig(p, trusted{list[0]}, host)
	}
}

func TestSyslogOverTLS(t *testing.T) {
	good, goodKey := pkitest.SelfSigned(t, "log.example.com")
	stranger, strangerKey := pkitest.SelfSigned(t, "log.example.com")
	misnamed, misnamedKey := pkitest.SelfSigned(t, "other.example.com")
	for name, x := range map[string]struct {
		cert, key, trust []byte
		why              string // nothing is sent, for this reason
	}{
		"as it should be":   {good, goodKey, good, ""},
		"an unknown issuer": {stranger, strangerKey, good, "which is not trusted here"},
		"another name":      {misnamed, misnamedKey, misnamed, "is for other.example.com, not for log.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := tls.X509KeyPair(x.cert, x.key)
			if err != nil {
				t.Fatal(err)
			}
			server := receive(t, &tls.Config{Certificates: []tls.Certificate{pair}})
			go server.serve()
			c, secure := overTLS(t, server.port(), x.trust)
			l := send(t, c, secure)
			l.log.With("call", "c17").Info("call")
			if x.why == "" {
				server.next(t, `[viaduct@0 call="c17"]`)
				return
			}
			if why := <-l.away; !strings.Contains(why, x.why) {
				t.Errorf("away: %q, want %q", why, x.why)
			}
			if len(server.lines) > 0 {
				t.Errorf("the stranger was told %q", <-server.lines)
			}
		})
	}
	t.Run("without a profile", func(t *testing.T) {
		server := receive(t, nil)
		go server.serve()
		l := send(t, to(server.port(), "tls"), nil)
		l.log.Info("secret")
		if why := <-l.away; !strings.Contains(why, "no profile tls") || len(server.lines) > 0 {
			t.Errorf("away: %q", why)
		}
	})
}

// A connection that holds ends the alarm, and one that the server closes at once does not.
func TestWhenAServerCountsAsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewSyslog()
		var told []string
		s := &server{SyslogRemote: config.SyslogRemote{Host: "h", Transport: "tcp"}, log: l, queue: newQueue()}
		needs := SyslogNeeds{Away: func(_, why string) { told = append(told, why) }}
		here, there := net.Pipe()
		there.Close()
		if worked, err := s.deliver(t.Context(), here, needs); worked || !errors.Is(err, errClosed) || len(told) > 0 {
			t.Errorf("worked %v, %v, told %q", worked, err, told)
		}
		here, there = net.Pipe()
		time.AfterFunc(time.Minute, func() { there.Close() })
		if worked, err := s.deliver(t.Context(), here, needs); !worked || !errors.Is(err, errClosed) || len(told) != 1 || told[0] != "" {
			t.Errorf("worked %v, %v, told %q", worked, err, told)
		}
		// A server that takes nothing is given up.
		here, there = net.Pipe()
		defer there.Close()
		s.queue.push([]byte("x"))
		began := time.Now()
		if _, err := s.deliver(t.Context(), here, needs); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != writeTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		// What waits at the end of the box has a moment.
		here, there = net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := make(chan string)
		go func() { text, _ := frame(bufio.NewReader(there)); got <- text }()
		go s.deliver(ctx, here, needs)
		if text := <-got; text != "x" {
			t.Errorf("last words %q", text)
		}
		synctest.Wait()
	})
}

// rsyslog takes what the box sends for what it is.
func TestRsyslogReadsIt(t *testing.T) {
	if _, err := exec.LookPath("rsyslogd"); err != nil {
		t.Fatal("rsyslogd is missing: make peers installs it")
	}
	cert, key := pkitest.SelfSigned(t, "log.example.com")
	for transport, module := range map[string]string{
		"tcp": `module(load="imtcp")`,
		"tls": `module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")`,
	} {
		t.Run(transport, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name string, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("cert.pem", string(cert))
			write("key.pem", string(key))
			write("conf", strings.ReplaceAll(`global(workDirectory="DIR" DefaultNetstreamDriverCAFile="DIR/cert.pem" DefaultNetstreamDriverCertFile="DIR/cert.pem" DefaultNetstreamDriverKeyFile="DIR/key.pem")
`+module+`
template(name="t" type="string" string="%PRI%|%HOSTNAME%|%APP-NAME%|%STRUCTURED-DATA%|%msg%\n")
ruleset(name="r") { action(type="omfile" file="DIR/out" template="t") }
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName="DIR/port" ruleset="r")
`, "DIR", dir))
			write("out", "")
			out, err := os.Open(filepath.Join(dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			ctx, cancel := context.WithCancel(t.Context())
			var said strings.Builder
			daemon := exec.CommandContext(ctx, "rsyslogd", "-n", "-f", filepath.Join(dir, "conf"), "-i", filepath.Join(dir, "pid"))
			daemon.Stdout, daemon.Stderr = &said, &said
			if err := daemon.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cancel()
				daemon.Wait()
				if t.Failed() {
					t.Log(said.String())
				}
			}()
			port := 0
			for port == 0 {
				text, _ := os.ReadFile(filepath.Join(dir, "port"))
				port, _ = strconv.Atoi(strings.TrimSpace(string(text)))
				time.Sleep(10 * time.Millisecond)
			}
			c, secure := overTLS(t, port, cert)
			c.Syslog.Remotes[0].Transport = transport
			l := send(t, c, secure)
			l.log.With("call", "c17").Error("call ended", "err", "a \"quoted\" ]text\n<0>forged")
			l.log.Info("alarm cleared", "alarm", "link-down", "severity", "error", "subject", "eth00")
			in := bufio.NewReader(out)
			for _, want := range []string{
				`131|sbc01|sbcd|[viaduct@0 call="c17"]|msg="call ended" call=c17 err="a \"quoted\" ]text\\x0a<0>forged"`,
				`134|sbc01|sbcd|[viaduct@0 alarm="link-down" severity="error" subject="eth00"]|msg="alarm cleared" alarm=link-down severity=error subject=eth00`,
			} {
				line := ""
				for !strings.HasSuffix(line, "\n") {
					more, err := in.ReadString('\n')
					if line += more; err != nil {
						time.Sleep(10 * time.Millisecond)
					}
				}
				if strings.TrimSuffix(line, "\n") != want {
					t.Errorf("rsyslog has\n%swant\n%s", line, want)
				}
			}
		})
	}
}

// Records of calls have a facility of their own, go out whatever the severity of the log, and name their call in the structured data.
func TestAMessageWithAFacilityOfItsOwn(t *testing.T) {
	r := receive(t, nil)
	go r.serve()
	cfg := to(r.port(), "tcp")
	cfg.Syslog.Severity = "error"
	s := send(t, cfg, nil)
	s.Tell("local3", "call record", slog.String("call", "9f2b3c4d"), slog.String("calling", "+4930"), slog.String("reason", "a \"b\"\n<0>"))
	got := <-r.lines
	if !strings.HasPrefix(got, "<158>1 ") || !strings.HasSuffix(got, ` sbc01 sbcd - - [viaduct@0 call="9f2b3c4d"] msg="call record" call=9f2b3c4d calling=+4930 reason="a \"b\"\\x0a<0>"`) {
		t.Errorf("%s", got)
	}
	NewSyslog().Tell("local3", "nobody hears it")
}
