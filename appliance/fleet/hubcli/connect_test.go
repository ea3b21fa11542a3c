package hubcli_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/ssh"

	"viaduct/appliance/api"
	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/console"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/fleet/hubcli"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/fleet/tunnel"
	"viaduct/appliance/status"
)

// TestMain is the command itself when a test starts this binary as such: ssh wants a program.
func TestMain(m *testing.M) {
	if os.Getenv("HUB_TEST_MAIN") != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		os.Exit(hubcli.Main(ctx, os.Args[1:], hubcli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

const (
	password = "correct horse battery"
	patience = 2 * time.Minute // with what hangs
)

// box is a box in a fleet: the real console with its SSH server, a web page over TLS, the real bus to the hub, and a toy for sbcd.
type box struct {
	*tunnel.Acceptor
	api.Backend

	key []byte            // public, with which one may log in
	at  map[string]string // where its services listen

	mu      sync.Mutex
	sources []string // of logins
	ran     []string
	trail   []string
}

func (b *box) Login(_ context.Context, r wire.LoginRequest) wire.LoginReply {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.PublicKey != nil && !bytes.Equal(r.PublicKey, b.key), r.PublicKey == nil && r.Password != password:
		return wire.LoginReply{}
	}
	b.sources = append(b.sources, r.Source)
	return wire.LoginReply{OK: true, User: r.User}
}

func (b *box) Exec(_ context.Context, s *api.Session, line string, _ []byte, out io.Writer) api.Result {
	b.mu.Lock()
	b.ran = append(b.ran, line)
	b.mu.Unlock()
	r := api.Result{Mode: s.Mode, Prompt: "box>"}
	switch {
	case line == "show version":
		fmt.Fprintf(out, "toy of %q\n", s.User)
	case line == "file" && s.Into != nil:
		s.Into.Write(file())
	case line != "":
		r.Failed = true
	}
	return r
}

// file is one of every octet.
func file() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

func (b *box) Lost(_ context.Context, s *api.Session, _ []string) []string { return s.Mode }
func (b *box) BeginPaste(context.Context, *api.Session) api.Result         { return api.Result{} }
func (b *box) Settings() wire.Settings                                     { return wire.Settings{} }
func (b *box) Health() wire.Health                                         { return wire.Health{} }
func (b *box) Events(ctx context.Context, _ *api.Session, _ func(wire.Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}
func (b *box) EndPaste(_ context.Context, s *api.Session, _ api.Paste, _ io.Writer) api.Result {
	return api.Result{Mode: s.Mode, Prompt: "box>"}
}

// page is a web page that takes and gives octets, and tells their checksum.
func page(w http.ResponseWriter, r *http.Request) {
	if n, err := strconv.Atoi(r.URL.Query().Get("give")); err == nil {
		w.Write(file()[:n])
		return
	}
	sum := sha256.New()
	io.Copy(sum, r.Body)
	fmt.Fprintf(w, "%x", sum.Sum(nil))
}

// runs has f run until the test ends, and waits for it.
func runs(t testing.TB, f func(ctx context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// listens finds the address at which the console says that it listens.
type listens struct {
	slog.Handler
	at chan string
}

func (l listens) Enabled(context.Context, slog.Level) bool { return true }
func (l listens) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == "ssh listens" && a.Key == "peer" {
			l.at <- a.Value.String()
		}
		return true
	})
	return nil
}

// newBox has a box dial home to a hub.
func newBox(t testing.TB, h *hubtest.Hub, s tunnel.Settings) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{}
	server, err := api.Listen(api.Options{Socket: filepath.Join(dir, "sbcd.sock")}, b)
	if err != nil {
		t.Fatal(err)
	}
	runs(t, server.Run)
	log := listens{slog.DiscardHandler, make(chan string, 1)}
	runs(t, func(ctx context.Context) error {
		return console.Run(ctx, console.Options{Socket: filepath.Join(dir, "sbcd.sock"), SSH: []string{"127.0.0.1:0"}, State: filepath.Join(dir, "console"), Log: slog.New(log)})
	})
	web := httptest.NewTLSServer(http.HandlerFunc(page))
	t.Cleanup(web.Close)
	b.at = map[string]string{tunnel.SSH: <-log.at, tunnel.HTTPS: web.Listener.Addr().String()}
	link := dial(t, h, "berlin", seed(t, h.Box("berlin", nil)))
	b.Acceptor = tunnel.New(tunnel.Options{Link: link, Box: "berlin", Log: slog.New(slog.DiscardHandler),
		Dial: tunnel.Local(func(service string) (netip.AddrPort, error) { return netip.ParseAddrPort(b.at[service]) }),
		Note: func(e status.Audit, more func(*status.Audit)) {
			more(&e)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.trail = append(b.trail, e.From+": "+string(e.What)+": "+e.Line)
		}})
	b.Set(s)
	runs(t, b.Run)
	return b
}

func seed(t testing.TB, pair interface{ Seed() ([]byte, error) }) *bus.Key {
	t.Helper()
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := bus.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// dial connects to the hub as boxes do.
func dial(t testing.TB, h *hubtest.Hub, name string, key *bus.Key) *bus.Bus {
	t.Helper()
	link := bus.Open(bus.Options{Log: slog.New(slog.DiscardHandler), Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return nil, errors.New("only addresses here")
	}})
	link.Apply(bus.Settings{Name: name, Key: key, Hubs: []*config.HubNode{{Host: h.Host, Port: uint16(h.Ports[0])}}, Pin: h.Pin})
	runs(t, link.Run)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := link.Reach(ctx); err != nil {
		t.Fatal(err)
	}
	return link
}

// eventually waits for something.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// hub runs the command within the test.
func command(t testing.TB, args ...string) (out, errs string, code int) {
	t.Helper()
	stdout, stderr := &output{}, &bytes.Buffer{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code = hubcli.Main(ctx, args, hubcli.Streams{In: strings.NewReader(""), Out: stdout, Err: stderr})
	return stdout.String(), stderr.String(), code
}

// output is a standard output that may still be written to when the command has returned, as that of a process.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (*output) Close() error { return nil }

// operator is somebody at another machine, with OpenSSH.
type operator struct {
	t           testing.TB
	dir         string
	credentials string // file
}

func newOperator(t testing.TB, h *hubtest.Hub, b *box, name string) *operator {
	t.Helper()
	o := &operator{t: t, dir: t.TempDir()}
	out, errs, code := command(t, "operator", "add", "-dir", h.Nodes[0].Dir(), name)
	if code != 0 {
		t.Fatalf("operator add: %s", errs)
	}
	o.credentials = o.write("credentials", out, 0o600)
	eventually(t, "the hub knows the operator", func() bool {
		_, errs, _ := command(t, "connect", "-operator", o.credentials, "nowhere")
		return strings.Contains(errs, "nowhere")
	})
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	o.write("key", string(pem.EncodeToMemory(block)), 0o600)
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.key = key.Marshal()
	b.mu.Unlock()
	o.write("ask", "#!/bin/sh\necho '"+password+"'\n", 0o700)
	return o
}

func (o *operator) write(name, text string, mode os.FileMode) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// options are those of ssh.
func (o *operator) options() []string {
	return []string{"-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(o.dir, "known"), "-o", "ControlMaster=no",
		"-o", "ProxyCommand=" + os.Args[0] + " connect -operator " + o.credentials + " %h ssh"}
}

// ssh is OpenSSH with a password, or with the key.
func (o *operator) ssh(key bool, args ...string) *exec.Cmd {
	o.t.Helper()
	program(o.t, "ssh")
	all := append(o.options(), "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no")
	if key {
		all = append(o.options(), "-i", filepath.Join(o.dir, "key"), "-o", "BatchMode=yes")
	}
	c := exec.CommandContext(o.t.Context(), "ssh", append(all, args...)...)
	c.Env = append(os.Environ(), "HUB_TEST_MAIN=1", "SSH_ASKPASS="+filepath.Join(o.dir, "ask"), "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0")
	return c
}

// isKilled has an ssh that begins a connection and is gone when the first octets come for it.
func (o *operator) isKilled() {
	o.t.Helper()
	c := exec.CommandContext(o.t.Context(), os.Args[0], "connect", "-operator", o.credentials, "berlin", "ssh")
	c.Env = append(os.Environ(), "HUB_TEST_MAIN=1")
	in, err := c.StdinPipe() // which stays open: another process may have it, too
	if err != nil {
		o.t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil || out.Close() != nil || c.Start() != nil {
		o.t.Fatal("it does not begin")
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != 1 {
		o.t.Errorf("the operator's program ends with %v", err)
	}
}

func program(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v: make peers", err)
	}
}

var both = tunnel.Settings{SSH: true, HTTPS: true, Idle: 15 * time.Minute}

// OpenSSH through the hub: commands, a large file, a service that is closed. The hub sees octets and nothing of what they say.
func TestSSHThroughTheHub(t *testing.T) {
	h := hubtest.Start(t)
	b := newBox(t, h, tunnel.Settings{})
	o := newOperator(t, h, b, "anna")

	var seen bytes.Buffer
	tunnels := 0
	ear, err := h.Nodes[0].Steward(hubtest.Customer)
	if err != nil {
		t.Fatal(err)
	}
	var hearing sync.Mutex
	if _, err := ear.Subscribe(">", func(m *nats.Msg) {
		hearing.Lock()
		defer hearing.Unlock()
		if strings.HasPrefix(m.Subject, "tunnel.") {
			tunnels++
		}
		fmt.Fprintf(&seen, "%s\n", m.Subject)
		seen.Write(m.Data)
	}); err != nil || ear.Flush() != nil {
		t.Fatal("nothing is heard at the hub")
	}

	out, err := o.ssh(false, "admin@berlin", "show version").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hub: berlin refuses: ssh is closed to operators at this box: `remote-management ssh` in its mode fleet opens it") {
		t.Errorf("while it is closed: %s, %v", out, err)
	}
	b.Set(both)
	if out, err := o.ssh(false, "admin@berlin", "show version").Output(); err != nil || string(out) != "toy of \"admin\"\n" {
		t.Errorf("with a password: %q, %v", out, err)
	}
	if out, err := o.ssh(true, "admin@berlin", "file").Output(); err != nil || !bytes.Equal(out, file()) {
		t.Errorf("a file of %d octets came as one of %d: %v", len(file()), len(out), err)
	}
	if err := o.ssh(true, "admin@berlin", "bogus").Run(); err == nil {
		t.Error("the status of a command that fails does not come through")
	}
	o.isKilled()
	eventually(t, "all connections have ended", func() bool { return len(b.Tunnels()) == 0 })

	ear.Flush()
	hearing.Lock()
	defer hearing.Unlock()
	if tunnels == 0 || !bytes.Contains(seen.Bytes(), []byte("SSH-2.0-Viaduct")) {
		t.Errorf("%d messages were heard at the hub, without the greeting that anybody may read", tunnels)
	}
	for _, secret := range []string{password, "show version", "toy of", "admin"} {
		if bytes.Contains(seen.Bytes(), []byte(secret)) {
			t.Errorf("the hub can read %q", secret)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.ran, "show version") {
		t.Errorf("ran %q", b.ran)
	}
	for _, from := range b.sources {
		if a, err := netip.ParseAddr(from); err != nil || !netip.MustParsePrefix("127.77.0.0/16").Contains(a) || from != b.sources[0] {
			t.Errorf("logins from %q", b.sources)
		}
	}
	began, ended := 0, 0
	for _, line := range b.trail[1:] {
		switch {
		case strings.HasPrefix(line, "operator anna: session begins: ssh through the hub, as from 127.77."):
			began++
		case strings.HasPrefix(line, "operator anna: session ends: ssh through the hub after ") && !strings.Contains(line, "nothing comes"):
			ended++
		default:
			t.Errorf("in the trail: %s", line)
		}
	}
	if began != 4 || ended != 4 || !strings.HasPrefix(b.trail[0], "operator anna: refused: ssh through the hub") {
		t.Errorf("trail: %q", b.trail)
	}
}

func TestAnsibleThroughTheHub(t *testing.T) {
	program(t, "ansible")
	h := hubtest.Start(t)
	b := newBox(t, h, both)
	o := newOperator(t, h, b, "anna")
	inventory := o.write("hosts", "berlin ansible_user=admin ansible_ssh_private_key_file="+filepath.Join(o.dir, "key")+"\n", 0o600)
	args := o.options()
	args[len(args)-1] = "'" + args[len(args)-1] + "'"
	c := exec.CommandContext(t.Context(), "ansible", "all", "-i", inventory, "-m", "raw", "-a", "show version")
	c.Env = append(os.Environ(), "HUB_TEST_MAIN=1", "ANSIBLE_SSH_ARGS="+strings.Join(args, " "), "ANSIBLE_HOME="+o.dir, "ANSIBLE_LOCAL_TEMP="+o.dir, "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=0", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "berlin | CHANGED | rc=0 >>\ntoy of \"admin\"") {
		t.Errorf("%s, %v", out, err)
	}
}

// forwarded runs `hub connect -listen` and returns the address, and what it says on stderr.
func forwarded(t *testing.T, o *operator, service string) (at string, said func() string) {
	t.Helper()
	r, w := io.Pipe()
	runs(t, func(ctx context.Context) error {
		defer w.Close()
		if code := hubcli.Main(ctx, []string{"connect", "-operator", o.credentials, "-listen", "127.0.0.1:0", "berlin", service}, hubcli.Streams{In: strings.NewReader(""), Out: &output{}, Err: w}); code != 0 {
			return fmt.Errorf("exit status %d", code)
		}
		return nil
	})
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("it says nothing")
	}
	_, rest, _ := strings.Cut(lines.Text(), "connect to ")
	at, _, _ = strings.Cut(rest, ";")
	var mu sync.Mutex
	var text strings.Builder
	go func() {
		for lines.Scan() {
			mu.Lock()
			fmt.Fprintln(&text, lines.Text())
			mu.Unlock()
		}
	}()
	return at, func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

// Twenty connections at once, each with a file in both directions; the next one gets a sentence. When the hub goes, all end, and then it goes on.
func TestManyConnectionsThroughTheHub(t *testing.T) {
	h := hubtest.Start(t)
	b := newBox(t, h, both)
	o := newOperator(t, h, b, "anna")
	at, said := forwarded(t, o, tunnel.HTTPS)
	client := func() *http.Client {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: patience}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	const size = 256 << 10
	data := file()[:size]
	sum := sha256.Sum256(data)
	carry := func(c *http.Client) error {
		r, err := c.Post("https://"+at+"/", "application/octet-stream", bytes.NewReader(data))
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(text) != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("to the box: %q, %w", text, err)
		}
		if r, err = c.Get("https://" + at + "/?give=" + strconv.Itoa(size)); err != nil {
			return err
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if !bytes.Equal(got, data) {
			return fmt.Errorf("from the box: %d octets of %d, %w", len(got), size, err)
		}
		return nil
	}
	var clients []*http.Client
	var all sync.WaitGroup
	for range 20 {
		c := client()
		clients = append(clients, c)
		all.Go(func() {
			if err := carry(c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list := b.Tunnels(); len(list) != 20 {
		t.Fatalf("%d connections", len(list))
	}
	if err := carry(client()); err == nil {
		t.Error("there is a twenty-first")
	}
	eventually(t, "a sentence about it", func() bool { return strings.Contains(said(), "20 ") })

	h.Stop(0)
	eventually(t, "the box has ended all", func() bool { return len(b.Tunnels()) == 0 })
	h.Run(0)
	h.Wait(0)
	for _, c := range clients {
		c.CloseIdleConnections()
	}
	eventually(t, "connections again", func() bool { return carry(clients[0]) == nil })
}

func TestWhyABoxDoesNotAnswer(t *testing.T) {
	h := hubtest.Start(t, func(n *hub.Node) hub.Service { return steward.Service(n, slog.New(slog.DiscardHandler)) })
	link := dial(t, h, "potsdam", seed(t, h.Box("potsdam", nil)))
	dir := h.Nodes[0].Dir()
	connect := func(args ...string) (string, int) {
		out, errs, code := command(t, append([]string{"connect", "-dir", dir}, args...)...)
		if out != "" {
			t.Errorf("%q: %q on stdout", args, out)
		}
		return errs, code
	}
	eventually(t, "the hub says that it has never heard of a box", func() bool {
		errs, code := connect("munich")
		return code == 1 && strings.HasPrefix(errs, `hub: no box "munich" has ever been connected to the hub: `)
	})
	for _, x := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"Munich"}, "hub: no box: ", 2},
		{[]string{"munich", "telnet"}, `hub: a box has no service "telnet" for operators: ssh, https`, 2},
		{nil, "hub: BOX [ssh|https] is missing", 2},
		{[]string{"-operator", "/no/such/file", "munich"}, "hub: read the operator's credentials: ", 1},
	} {
		if errs, code := connect(x.args...); code != x.code || !strings.HasPrefix(errs, x.want) {
			t.Errorf("%q: %q, %d", x.args, errs, code)
		}
	}
	eventually(t, "the hub keeps a status", func() bool {
		if err := link.Send("box.potsdam.status", []byte(`{"box":"potsdam"}`)); err != nil {
			t.Fatal(err)
		}
		errs, code := connect("potsdam")
		return code == 1 && strings.HasPrefix(errs, `hub: the box "potsdam" is not connected to the hub; the last sign of it is of `)
	})
	h.Stop(0)
	if errs, code := connect("potsdam"); code != 1 || !strings.HasPrefix(errs, "hub: the hub is not reached: ") {
		t.Errorf("%q, %d", errs, code)
	}
}
