package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/api"
	"viaduct/appliance/api/wire"
)

// TestMain is consoled itself when a test starts this binary as such: the tests drive the real program.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each of some hundred programs
	}
	if os.Getenv("SBCD_TEST_MAIN") != "" {
		os.Exit(sbcdMain())
	}
	if os.Getenv("CONSOLED_TEST_MAIN") != "" {
		status := run()
		if file := os.Getenv("CONSOLED_TEST_MEMORY"); file != "" {
			os.WriteFile(file, fmt.Append(nil, peak(os.Getpid())), 0o600)
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// consoled is the real program with arguments.
func consoled(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "CONSOLED_TEST_MAIN=1")
	return c
}

// toy is a box with a language just large enough to see what a console does.
type toy struct {
	api.Backend

	lock     sync.Mutex
	ran      []string // every line, behind the prompt of its mode
	blocks   []string
	password string // of account "admin"; "" is the factory state
	banner   string
	idle     time.Duration
	ends     int // pastes that ended
	events   chan wire.Event
	patience int           // wrong passwords until their source is shut out; 0: it never is
	wrong    int           // that came
	banned   time.Duration // for so long
}

func newToy() *toy { return &toy{events: make(chan wire.Event, 10)} }

// serve runs the real api server in front of the toy; stop ends it as a kill would.
func (b *toy) serve(t *testing.T, socket string) (stop func()) {
	t.Helper()
	s, err := api.Listen(api.Options{Socket: socket}, b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api server: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "sbcd.sock") }

func prompt(mode []string) string {
	switch len(mode) {
	case 0:
		return "box>"
	case 1:
		return "box#"
	case 2:
		return "box(cfg)#"
	}
	return "box(" + strings.ReplaceAll(mode[len(mode)-1], " ", "-") + ")#"
}

func (b *toy) lines() []string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return slices.Clone(b.ran)
}

func (b *toy) Exec(ctx context.Context, s *api.Session, line string, body []byte, out io.Writer) api.Result {
	r := b.exec(ctx, s, line, body, out)
	r.Prompt = prompt(r.Mode)
	return r
}

func (b *toy) ExecBatch(context.Context, *api.Session, []string, func([]byte, api.Result)) int {
	return 0
}

func (b *toy) exec(ctx context.Context, s *api.Session, line string, body []byte, out io.Writer) api.Result {
	words := strings.Fields(line)
	r := api.Result{Mode: s.Mode}
	if len(words) == 0 || words[0][0] == '#' {
		return r
	}
	b.lock.Lock()
	b.ran = append(b.ran, prompt(s.Mode)+line)
	b.lock.Unlock()
	line = strings.TrimSpace(line)
	switch {
	case line == "enable":
		r.Mode = []string{"enable"}
	case line == "configure":
		r.Mode = []string{"enable", "configure"}
	case line == "end":
		r.Mode = s.Mode[:min(1, len(s.Mode))]
	case line == "exit":
		r.Exit = len(s.Mode) == 0
		r.Mode = s.Mode[:max(0, len(s.Mode)-1)]
	case line == "show version":
		fmt.Fprintf(out, "toy of %q on %q\n", s.User, s.TTY)
	case len(words) == 3 && words[0] == "show" && words[1] == "lines":
		n, _ := strconv.Atoi(words[2])
		for i := range n {
			if _, err := fmt.Fprintf(out, "line %d\n", i+1); err != nil {
				r.Failed = true
				return r
			}
		}
	case line == "follow":
		out.(interface{ Live() }).Live()
		for i := range 100 {
			fmt.Fprintf(out, "news %d\n", i+1)
		}
		<-ctx.Done()
	case line == "wait":
		fmt.Fprintln(out, "waiting")
		<-ctx.Done()
	case line == "file" && s.Into != nil:
		if _, err := s.Into.Write(toyFile()); err != nil {
			r.Failed = true
		}
	case line == "file":
		fmt.Fprintln(out, "% no terminal shows it")
		r.Failed = true
	case line == "evil":
		fmt.Fprint(out, "\x1b]0;title\x07\n")
	case line == "break":
		panic("as asked")
	case line == "terminal more" || line == "no terminal more":
		on := line == "terminal more"
		r.More = &on
	case words[0] == "import" || words[0] == "unlock":
		b.block(&r, words[0], body, out)
	case len(s.Mode) >= 2 && (words[0] == "map" || words[0] == "system"):
		r.Changed = true
	case len(s.Mode) >= 2 && words[0] == "table":
		r.Mode = append(slices.Clone(s.Mode[:2]), line)
		r.Changed = true
	default:
		fmt.Fprintf(out, "%% unknown: %.100s\n", line)
		r.Failed = true
	}
	return r
}

// toyFile is a file that no terminal shows: of every octet, and larger than one answer.
func toyFile() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return append(b, "\x1b[2J\r\n\x00"...)
}

// block wants PEM, and for `unlock` a pass phrase after it.
func (b *toy) block(r *api.Result, word string, body []byte, out io.Writer) {
	text := string(body)
	switch {
	case body == nil:
		r.Collect = &wire.Collect{Prompt: "Paste the contents of the file (enter an empty line when done):", Kind: wire.PEM}
	case word == "unlock" && strings.HasSuffix(text, "-----\n"):
		r.Collect = &wire.Collect{Prompt: "Pass phrase:", Kind: wire.Secret}
	default:
		b.lock.Lock()
		b.blocks = append(b.blocks, text)
		b.lock.Unlock()
		fmt.Fprintln(out, "imported")
		r.Changed = true
	}
}

func (b *toy) Lost(_ context.Context, s *api.Session, _ []string) []string { return s.Mode }

func (b *toy) BeginPaste(_ context.Context, s *api.Session) api.Result {
	return api.Result{Mode: s.Mode, Prompt: prompt(s.Mode)}
}

func (b *toy) EndPaste(_ context.Context, s *api.Session, _ api.Paste, out io.Writer) api.Result {
	b.lock.Lock()
	b.ends++
	b.lock.Unlock()
	fmt.Fprintln(out, "no problems")
	return api.Result{Mode: s.Mode, Prompt: prompt(s.Mode)}
}

var toyWords = []wire.Choice{{Word: "configure", Help: "Change the configuration"}, {Word: "enable", Help: "More commands"}, {Word: "show", Help: "Look"}}

func (b *toy) Help(_ context.Context, _ *api.Session, line string, cursor int) wire.HelpReply {
	line = line[:cursor]
	if line == "many " {
		var r wire.HelpReply
		for i := range 40 {
			r.Choices = append(r.Choices, wire.Choice{Word: fmt.Sprintf("word%d", i+1), Help: "One of many", Section: "section " + strconv.Itoa(i/20)})
		}
		return r
	}
	if strings.HasPrefix(line, "map ") {
		return wire.HelpReply{Literal: true}
	}
	var r wire.HelpReply
	for _, c := range toyWords {
		if strings.HasPrefix(c.Word, line) {
			r.Choices = append(r.Choices, c)
		}
	}
	if len(r.Choices) == 1 {
		r.Insert = r.Choices[0].Word[len(line):] + " "
	}
	return r
}

func (b *toy) Login(_ context.Context, r wire.LoginRequest) wire.LoginReply {
	b.lock.Lock()
	defer b.lock.Unlock()
	switch {
	case b.banned > 0 && r.Source != "":
		return wire.LoginReply{Banned: b.banned}
	case r.User == "":
		return wire.LoginReply{OK: !r.Remote && b.password == "", Banner: b.banner, Idle: b.idle}
	case r.User == "admin" && b.password != "" && r.Password == b.password:
		return wire.LoginReply{OK: true, User: "admin", Idle: b.idle}
	}
	if b.wrong++; b.wrong >= b.patience && b.patience > 0 {
		b.banned = 10 * time.Minute
	}
	return wire.LoginReply{Banned: b.banned}
}

func (b *toy) Events(ctx context.Context, _ *api.Session, each func(wire.Event) error) error {
	for {
		select {
		case e := <-b.events:
			if err := each(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *toy) Sign(wire.SignRequest) (wire.SignReply, error) { return wire.SignReply{}, nil }

func (b *toy) Token(context.Context, wire.TokenRequest) wire.TokenReply { return wire.TokenReply{} }

func (b *toy) Settings() wire.Settings { return wire.Settings{} }

func (b *toy) Health() wire.Health { return wire.Health{} }

func (b *toy) Status(context.Context, *api.Session, string, api.StatusQuery) (any, error) {
	return nil, nil
}

func (b *toy) Metrics(w io.Writer) error {
	_, err := io.WriteString(w, "toy 1\n")
	return err
}
