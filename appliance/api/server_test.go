package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"

	"golang.org/x/sys/unix"
)

// fake is a Backend whose lines say what they do.
type fake struct {
	Backend
	canceled chan struct{}
}

func (f *fake) Exec(ctx context.Context, s *Session, line string, _ []byte, out io.Writer) Result {
	switch {
	case line == "wait":
		fmt.Fprintln(out, "waiting")
		<-ctx.Done()
		close(f.canceled)
	case line == "panic":
		panic("as asked")
	case line == "collect":
		return Result{Mode: s.Mode, Collect: &wire.Collect{Prompt: "paste", Kind: wire.PEM}}
	case strings.HasPrefix(line, "go "):
		return Result{Mode: append(s.Mode[:len(s.Mode):len(s.Mode)], line[3:]), Prompt: line[3:] + "#"}
	case strings.HasPrefix(line, "much"):
		for range 1000 {
			if _, err := out.Write(bytes.Repeat([]byte("much "), 20<<10)); err != nil {
				close(f.canceled)
				break
			}
		}
	}
	fmt.Fprintf(out, "%s of %s in %s\n", line, s.User, strings.Join(s.Mode, "/"))
	return Result{Mode: s.Mode, Failed: line == "fail"}
}

// ExecBatch runs the lines that go somewhere.
func (f *fake) ExecBatch(ctx context.Context, s *Session, lines []string, done func([]byte, Result)) (ran int) {
	here := *s
	for _, line := range lines {
		if !strings.HasPrefix(line, "go ") {
			break
		}
		var out bytes.Buffer
		r := f.Exec(ctx, &here, line, nil, &out)
		here.Mode = r.Mode
		done(append(out.Bytes(), "together\n"...), r)
		ran++
	}
	return ran
}

func (f *fake) Lost(_ context.Context, s *Session, _ []string) []string { return s.Mode }

func (f *fake) BeginPaste(_ context.Context, s *Session) Result {
	return Result{Mode: s.Mode, Known: []byte("known")}
}

func (f *fake) EndPaste(_ context.Context, s *Session, p Paste, out io.Writer) Result {
	fmt.Fprintf(out, "2 problems, %s, %d refused\n", p.Known, p.Refused)
	return Result{Mode: s.Mode, Failed: true}
}

func (f *fake) Help(context.Context, *Session, string, int) wire.HelpReply {
	return wire.HelpReply{Insert: "x", Choices: []wire.Choice{{Word: "<a>", Help: "b & c"}}}
}

func (f *fake) Login(_ context.Context, r wire.LoginRequest) wire.LoginReply {
	return wire.LoginReply{OK: r.Password == "right", User: r.User}
}

func (f *fake) Events(ctx context.Context, s *Session, each func(wire.Event) error) error {
	each(wire.Event{Kind: "log", Text: "hello " + s.TTY})
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Sign(wire.SignRequest) (wire.SignReply, error) { return wire.SignReply{}, nil }

func (f *fake) Token(context.Context, wire.TokenRequest) wire.TokenReply { return wire.TokenReply{} }

func (f *fake) Settings() wire.Settings { return wire.Settings{} }

func (f *fake) Health() wire.Health { return wire.Health{Unfit: []string{"it is a fake"}} }

func (f *fake) Status(_ context.Context, _ *Session, part string, q StatusQuery) (any, error) {
	switch part {
	case "broken":
		return nil, errors.New("the medium does not answer")
	case "absent":
		return nil, errNoPart
	}
	return map[string]any{"part": part, "last": q.Last}, nil
}

func (f *fake) Metrics(w io.Writer) error { _, err := io.WriteString(w, "up 1\n"); return err }

// start runs a server and returns a client of it, its socket, and how to stop it.
func start(t *testing.T, b Backend, prepare ...func(*Server)) (*http.Client, string, func() error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sbcd.sock")
	s, err := Listen(Options{Socket: path}, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended := false
	stop := func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { stop() })
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	return c, path, stop
}

func exec(t *testing.T, c *http.Client, q wire.ExecRequest) []wire.Answer {
	t.Helper()
	b, _ := json.Marshal(q)
	r, err := c.Post("http://sbcd"+wire.PathExec, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var list []wire.Answer
	for d := json.NewDecoder(r.Body); ; {
		var a wire.Answer
		if err := d.Decode(&a); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
}

// brief shows answers in one line: texts as they are, ends as their status.
func brief(list []wire.Answer) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.Text)
		if a.Done {
			fmt.Fprintf(&b, "[%s %s]", a.Status, strings.Join(a.Mode, "/"))
		}
	}
	return b.String()
}

func TestExec(t *testing.T) {
	c, _, _ := start(t, &fake{})
	for _, x := range []struct {
		name string
		q    wire.ExecRequest
		want string
	}{
		{"a line", wire.ExecRequest{Mode: []string{"m"}, Line: "show", User: "u"}, "show of u in m\n[ok m]"},
		{"a line that fails", wire.ExecRequest{Line: "fail"}, "fail of  in \n[error ]"},
		{"the mode goes from line to line", wire.ExecRequest{Lines: []string{"go a", "go b", "show"}}, "together\n[ok a]together\n[ok a/b]show of  in a/b\n[ok a/b]"},
		{"a line that collects is the last", wire.ExecRequest{Lines: []string{"collect", "show"}}, "[ok ]"},
		{"a panic costs one line", wire.ExecRequest{Mode: []string{"m"}, Lines: []string{"panic", "show"}}, "% internal error: as asked\n[error m]show of  in m\n[ok m]"},
		{"the end of a paste", wire.ExecRequest{EndPaste: true, Known: []byte("x"), Refused: 3, Mode: []string{"m"}}, "2 problems, x, 3 refused\n[error m]"},
	} {
		if got := brief(exec(t, c, x.q)); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
	if got := brief(exec(t, c, wire.ExecRequest{Line: strings.Repeat("x", wire.MaxLine+1)})); !strings.Contains(got, "the limit is 65536: not run") {
		t.Errorf("a long line: %.200q", got)
	}
}

func TestLineEndsWithItsClient(t *testing.T) {
	for _, line := range []string{"wait", "much"} {
		f := &fake{canceled: make(chan struct{})}
		c, _, _ := start(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		q, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://sbcd"+wire.PathExec, strings.NewReader(`{"line":"`+line+`"}`))
		r, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		bufio.NewReader(r.Body).ReadByte() // the first text is there while the line runs
		cancel()
		r.Body.Close()
		select {
		case <-f.canceled:
		case <-time.After(2 * time.Minute):
			t.Errorf("%s goes on without its client", line)
		}
	}
}

func TestOtherCalls(t *testing.T) {
	c, _, _ := start(t, &fake{})
	for _, x := range []struct{ path, body, want string }{
		{wire.PathHelp, `{"line":"ab","cursor":1}`, `{"choices":[{"word":"<a>","help":"b & c"}],"insert":"x"}`},
		{wire.PathHelp, `{"line":"ab","cursor":3}`, `{"error":"cursor 3 is outside the line of 2 bytes"}`},
		{wire.PathLogin, `{"user":"u","password":"right"}`, `{"ok":true,"user":"u"}`},
		{wire.PathLogin, `{"user":"u","password":"wrong"}`, `{"ok":false,"user":"u"}`},
		{wire.PathLogin, `{"user":`, `{"error":"request is not JSON as expected: unexpected EOF"}`},
		{wire.PathExec, `{"line":"` + strings.Repeat("x", wire.MaxRequest) + `"}`, `{"error":"request is larger than 4194304 bytes"}`},
	} {
		r, err := c.Post("http://sbcd"+x.path, "", strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if got := strings.TrimSpace(string(b)); got != x.want {
			t.Errorf("%s %.60s: %s, want %s", x.path, x.body, got, x.want)
		}
	}
	r, err := c.Get("http://sbcd" + wire.PathMetrics)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if string(b) != "up 1\n" {
		t.Errorf("metrics: %q", b)
	}
}

func TestEndIsQuickAndRemovesTheSocket(t *testing.T) {
	const grace = time.Hour // which a follower would use up
	c, path, stop := start(t, &fake{canceled: make(chan struct{})}, func(s *Server) { s.grace = grace })
	r, err := c.Get("http://sbcd" + wire.PathEvents + "?tty=x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	line, err := bufio.NewReader(r.Body).ReadString('\n')
	if err != nil || !strings.Contains(line, "hello x") {
		t.Fatalf("%q, %v", line, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("a follower delays the end")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "sbcd.sock")
	first, err := Listen(Options{Socket: path}, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
	if _, err := Listen(Options{Socket: path}, &fake{}); err == nil || !strings.Contains(err.Error(), "another sbcd answers there") {
		t.Errorf("a second server on it: %v", err)
	}
	first.socket.(*socket).UnixListener.Close() // as a kill leaves it: the path stays
	second, err := Listen(Options{Socket: path}, &fake{})
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	first.socket.Close() // the old one must not remove the new one's path
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	second.socket.Close()
	if _, err := Listen(Options{Socket: filepath.Join(dir, strings.Repeat("x", 120))}, &fake{}); err == nil || !strings.Contains(err.Error(), "at most 103 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// TestStrangersAreRefused connects as another user to a socket whose mode would let him in.
func TestStrangersAreRefused(t *testing.T) {
	_, path, _ := start(t, &fake{})
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, which is nobody's now, ends with the goroutine
		done <- func() error {
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
				return fmt.Errorf("become nobody (this test needs root): %w", e)
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				return fmt.Errorf("connect: %w", err)
			}
			unix.Write(fd, []byte("GET /metrics HTTP/1.0\r\n\r\n"))
			b := make([]byte, 100)
			if n, err := unix.Read(fd, b); n > 0 {
				return fmt.Errorf("was answered %q, %v", b[:n], err)
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// BenchmarkPaste is the cost of a line of a paste in the api, both ends together.
func BenchmarkPaste(b *testing.B) {
	f := &fake{}
	h := handler{backend: quietBackend{f}}
	lines := make([]string, 500)
	for i := range lines {
		lines[i] = fmt.Sprintf("map \\+4971%05d to sip:user.%d@192.168.1.100", i, i)
	}
	b.ReportAllocs()
	for range b.N/len(lines) + 1 {
		out := newSpool(context.Background())
		go func() {
			h.run(context.Background(), &wire.ExecRequest{Lines: lines}, out)
			out.close()
		}()
		out.send(discard{})
	}
}

type quietBackend struct{ *fake }

func (quietBackend) Exec(_ context.Context, s *Session, _ string, _ []byte, _ io.Writer) Result {
	return Result{Mode: s.Mode, Prompt: "box(map-tab)[TABLE]#"}
}

func (quietBackend) ExecBatch(_ context.Context, s *Session, lines []string, done func([]byte, Result)) int {
	for range lines {
		done(nil, Result{Mode: s.Mode, Prompt: "box(map-tab)[TABLE]#"})
	}
	return len(lines)
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
func (discard) Flush()                      {}
