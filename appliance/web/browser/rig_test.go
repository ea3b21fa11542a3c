package browser

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
)

// patience only ends what hangs.
const patience = 2 * time.Minute

// password is that of all accounts of a box.
const password = "correct horse 7"

// accounts are those of every box.
var accounts = []string{"superuser admin password " + quoted, "administrator technician password " + quoted, "operator viewer password " + quoted}

const quoted = `"` + password + `"`

// built is the folder of programs, once there is one.
var built string

// programs are sbcd and consoled with the race detector, built once.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "viaduct-browser"); err != nil {
		return "", err
	}
	built = dir
	out, err := exec.Command("go", "build", "-race", "-o", dir+"/", "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("build: %w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	keepFiles()
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0 halt_on_error=1")
	}
	status := m.Run()
	if shared.box != nil {
		shared.box.stop()
	}
	endChromium()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(status)
}

// box is a real sbcd in a network namespace of its own, and a real consoled, which serves the web page on loopback.
type box struct {
	t        testing.TB // of the test that made it
	dir      string
	programs func() (dir string, err error)
	address  netip.AddrPort
	url      string
	client   *client.Client // of sbcd
	asked    atomic.Int64   // requests of consoled that sbcd has answered, without those for the settings
	sbcd     *program
	consoled *program
	socket   net.Listener   // of consoled
	own      *http.ServeMux // what we answer in sbcd's place
	stop     func()
}

// starter runs what it is given on one thread, which lives as long as the tests do: what the thread has started ends with it.
var starter = func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
}()

// keepFiles has no program that the tests start inherit what they have inherited, as the lock of somebody who waits for their end.
func keepFiles() {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// program is one that runs, with what it has said.
type program struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
	err  error
}

// run starts a program, whose output goes to a file.
func run(log string, isolated bool, name string, args ...string) (*program, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	p := &program{cmd: exec.Command(name, args...), log: f, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	if isolated {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
		if uid := os.Geteuid(); uid != 0 {
			p.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
			p.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
	}
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // whoever kills the tests leaves no box behind
	started := make(chan error)
	starter <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		f.Close()
		close(p.done)
	}()
	return p, nil
}

// end asks a program to end, and returns what the race detector has found.
func (p *program) end() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-p.done
	}
	text, _ := os.ReadFile(p.log.Name())
	if i := strings.Index(string(text), "WARNING: DATA RACE"); i >= 0 {
		return fmt.Errorf("%s", text[i:])
	}
	return nil
}

var shared struct {
	sync.Mutex
	box *box
}

// sharedBox is the box of all tests that change nothing.
func sharedBox(t testing.TB) *box {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.box == nil {
		dir, err := os.MkdirTemp("", "viaduct-box")
		if err != nil {
			t.Fatal(err)
		}
		b := startBox(t, dir, accounts)
		stop := b.stop
		b.stop = func() {
			stop()
			os.RemoveAll(dir)
		}
		shared.box = b
	}
	return shared.box
}

// newBox is a box for one test, with the accounts and further lines of configuration.
func newBox(t testing.TB, lines ...string) *box {
	t.Helper()
	b := startBox(t, t.TempDir(), append(accounts[:len(accounts):len(accounts)], lines...))
	t.Cleanup(b.stop)
	return b
}

// startBox starts both programs. A proxy stands between them, which has consoled listen on loopback and counts its requests.
func startBox(t testing.TB, dir string, lines []string) *box {
	t.Helper()
	return startBoxOf(t, dir, lines, programs)
}

// startBoxOf is startBox with other programs.
func startBoxOf(t testing.TB, dir string, lines []string, programs func() (string, error)) *box {
	t.Helper()
	b := &box{t: t, dir: dir, programs: programs}
	socket := filepath.Join(dir, "sbcd.sock")
	b.client = client.New(socket, patience)
	b.startSBCD(t)
	b.configure(t, lines...)
	b.address = freePort(t)
	b.url = "https://" + b.address.String()
	b.proxy(t, socket, filepath.Join(dir, "web.sock"))
	b.startConsoled(t)
	b.stop = func() {
		for _, p := range []*program{b.consoled, b.sbcd} {
			if err := p.end(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		b.socket.Close()
	}
	return b
}

// startSBCD starts sbcd; whoever asks it waits until it answers.
func (b *box) startSBCD(t testing.TB) {
	t.Helper()
	where, err := b.programs()
	if err != nil {
		t.Fatal(err)
	}
	b.sbcd, err = run(filepath.Join(b.dir, "sbcd.out"), true, where+"/sbcd", "-state", filepath.Join(b.dir, "state"), "-socket", filepath.Join(b.dir, "sbcd.sock"), "-board", "sim",
		"-installer", filepath.Join(b.dir, "init.sock"))
	if err != nil {
		t.Fatal(err)
	}
}

// startConsoled starts consoled and waits until it serves the page.
func (b *box) startConsoled(t testing.TB) {
	t.Helper()
	where, err := b.programs()
	if err != nil {
		t.Fatal(err)
	}
	b.consoled, err = run(filepath.Join(b.dir, "consoled.out"), false, where+"/consoled",
		"-socket", filepath.Join(b.dir, "web.sock"), "-state", filepath.Join(b.dir, "console"), "-ssh", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "consoled serves "+b.url, func() bool {
		r, err := b.http().Get(b.url + "/login")
		if err != nil {
			return false
		}
		r.Body.Close()
		return true
	})
}

// pretend answers a question for a part of the status in sbcd's place, for what no box of a test can have.
func (b *box) pretend(part string, state any) {
	b.own.HandleFunc("GET "+wire.PathStatus+"/"+part, func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(state) })
}

// configure runs lines as root, in the mode of the configuration.
func (b *box) configure(t testing.TB, lines ...string) {
	t.Helper()
	if len(lines) == 0 {
		return
	}
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled, "configure"}, Lines: lines}, func(a wire.Answer) error {
		if a.Done && a.Status != wire.OK {
			return fmt.Errorf("%s", a.Why)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("configure: %v", err)
	}
}

// http is a client that takes the box's certificate, and follows no redirect.
func (b *box) http() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// freePort is a port of loopback that nobody has, at an address that nobody else takes: consoled listens on it a while later, and the tests of
// other packages take ports of 127.0.0.1 meanwhile.
func freePort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+mathrand.IntN(254), mathrand.IntN(256), 1+mathrand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// proxy stands between consoled and sbcd: the page listens on loopback, with a certificate of ours.
func (b *box) proxy(t testing.TB, socket, as string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "box"}, DNSNames: []string{"box"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own := http.NewServeMux()
	b.own = own
	own.HandleFunc("GET "+wire.PathSettings, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(wire.Settings{Web: &wire.WebSettings{
			Port: b.address.Port(), Addresses: []netip.Addr{b.address.Addr()}, Hosts: []string{"box"}, Chain: [][]byte{der}, Name: "box", Zone: "Europe/Berlin", OwnCertificate: true,
		}})
	})
	own.HandleFunc("POST "+wire.PathWebSign, func(w http.ResponseWriter, r *http.Request) {
		var q wire.SignRequest
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		signature, err := sign(key, q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(wire.SignReply{Signature: signature})
	})
	l, err := net.Listen("unix", as)
	if err != nil {
		t.Fatal(err)
	}
	b.socket = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(conn.(*net.UnixConn), socket, own)
		}
	}()
}

// pass answers the request on a connection of consoled, or hands it to sbcd as it comes. No second one follows on that connection, since we ask
// sbcd to end it. A proxy that knows HTTP is not the same: it breaks an answer off that begins before the request has ended.
func (b *box) pass(conn *net.UnixConn, socket string, own *http.ServeMux) {
	defer conn.Close()
	var head []byte // the request's, and what came with it
	for end := -1; end < 0; end = bytes.Index(head, []byte("\r\n\r\n")) {
		head = slices.Grow(head, 4<<10)
		n, err := conn.Read(head[len(head):cap(head)])
		if err != nil {
			return
		}
		head = head[:len(head)+n]
	}
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(head), conn)))
	if err != nil {
		return
	}
	if _, pattern := own.Handler(r); pattern != "" {
		w := httptest.NewRecorder()
		own.ServeHTTP(w, r)
		answer := w.Result()
		answer.Close = true
		answer.Write(conn)
		return
	}
	b.asked.Add(1)
	to, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer to.Close()
	sbcd := to.(*net.UnixConn)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		first := bytes.Index(head, []byte("\r\n")) + 2
		if _, err := sbcd.Write(slices.Concat(head[:first], []byte("Connection: close\r\n"), head[first:])); err == nil {
			io.Copy(sbcd, conn)
		}
		sbcd.CloseWrite()
	}()
	io.Copy(conn, sbcd)
	conn.Close()
	<-sent
}

// sign signs as sbcd does.
func sign(key crypto.Signer, q wire.SignRequest) ([]byte, error) {
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if h.String() == q.Hash {
			digest := h.New()
			digest.Write(q.Message)
			var o crypto.SignerOpts = h
			if q.PSS {
				o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
			}
			return key.Sign(rand.Reader, digest.Sum(nil), o)
		}
	}
	return nil, fmt.Errorf("hash %s", q.Hash)
}

// until waits for something.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
