package image

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"viaduct/appliance/lab"
	"viaduct/image/update"
)

// boxKey signs what the boxes of these tests take.
var boxKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte("viaduct."), ed25519.SeedSize/8))

// section is a partition in an image file.
type section struct {
	*io.OffsetWriter
	*io.SectionReader
	f *os.File
}

func (s section) Sync() error { return s.f.Sync() }

// Seek would be ambiguous.
func (s section) Seek(offset int64, whence int) (int64, error) {
	return s.SectionReader.Seek(offset, whence)
}

func partitions(t testing.TB, name string) update.Disk {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	part := func(at, size int64) section {
		return section{io.NewOffsetWriter(f, at), io.NewSectionReader(f, at, size), f}
	}
	return update.Disk{Boot: part(bootStart, bootSize), Roots: [2]update.Device{part(rootA, rootSize), part(rootB, rootSize)}, RootSize: rootSize}
}

// packedKernel is the kernel of the board.
var packedKernel = sync.OnceValues(func() (update.Payload, error) {
	b, err := boardNamed("qemu-virt")
	if err != nil {
		return update.Payload{}, err
	}
	module, err := toolchain{}.module(b.kernel)
	if err != nil {
		return update.Payload{}, err
	}
	kernel, err := os.ReadFile(filepath.Join(module, "vmlinuz"))
	if err != nil {
		return update.Payload{}, err
	}
	return update.Pack(update.Kernel, kernel)
})

// signed is an update for the emulated box with this root, and the kernel of the board.
func signed(t *testing.T, key ed25519.PrivateKey, r Release, tree *tree) []byte {
	t.Helper()
	root, err := writeSquashFS(tree, r.Built)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := packedKernel()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m := update.Manifest{Board: "qemu-virt", Version: r.Version, Commit: r.Commit, Built: r.Built}
	if err := update.Write(&out, key, m, packed(t, update.Root, root), kernel); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// programs returns a folder with the programs of the box, in which some may be replaced.
func programs(t testing.TB) string {
	t.Helper()
	built, err := builtPrograms()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "programs")
	if err := os.CopyFS(dir, os.DirFS(built)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rootOf is the root file system with the programs of a folder.
func rootOf(t testing.TB, r Release, dir string) *tree {
	t.Helper()
	b, err := boardNamed("qemu-virt")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := rootFiles(b, r, dir, trusted())
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// newFirmware is a later release, which says so.
func newFirmware(t *testing.T, r Release) *tree {
	t.Helper()
	dir := programs(t)
	if err := (toolchain{}).build(dir, r, []string{"viaduct/cmd/sbcd"}); err != nil {
		t.Fatal(err)
	}
	return rootOf(t, r, dir)
}

// muteFirmware is one whose programs run and answer nobody; its trial is short.
func muteFirmware(t *testing.T, r Release) *tree {
	t.Helper()
	dir := programs(t)
	if err := (toolchain{}).build(dir, r, []string{"viaduct/image/cmd/init"}, "-X main.trialLimit=5s"); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(dir, "randomd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sbcd", "consoled"} {
		if err := os.WriteFile(filepath.Join(dir, name), other, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return rootOf(t, r, dir)
}

// deadFirmware has a kernel that finds no PID 1, and dies before anything of ours runs.
func deadFirmware() *tree {
	empty := newTree()
	empty.dir("dev")
	return empty
}

// web serves images over HTTPS, to a box that knows this host as 192.168.1.2; it returns the server's certificate and address.
func web(t *testing.T, files map[string][]byte) (pem []byte, url string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: when, NotAfter: when.AddDate(50, 0, 0), IPAddresses: []net.IP{net.IPv4(192, 168, 1, 2)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for name, data := range files {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		})
	}
	s := httptest.NewUnstartedServer(mux)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that the box gives up
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return lab.CertificatePEM(der), "https://192.168.1.2:" + port + "/"
}

// freePort is one that nobody listens on here.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// installOverSSH does what `ssh admin@BOX install-image < file` does; password logs in.
func installOverSSH(t *testing.T, address, password string, file []byte) (text string, err error) {
	t.Helper()
	c, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	s.Stdin = bytes.NewReader(file)
	out, err := s.CombinedOutput("install-image")
	return string(out), err
}

func (e *emulated) logIn(password string) {
	e.t.Helper()
	e.until(`login: $`)
	io.WriteString(e.keys, "admin\r")
	e.until(`Password: $`)
	io.WriteString(e.keys, password+"\r")
	e.until(prompt)
	e.run("no terminal more")
	e.run("enable")
}

// try runs a command that may fail.
func (e *emulated) try(line string) string {
	e.t.Helper()
	io.WriteString(e.keys, line+"\r")
	return e.until(prompt)
}

func (e *emulated) images(want ...string) {
	e.t.Helper()
	text := unwrapped(e.run("show system images"))
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(text) {
			e.t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

// putAside installs an update into the other slot of a box that is off and runs from this one, as if it had been started already but for
// the last time.
func putAside(t *testing.T, d update.Disk, running update.Slot, bundle []byte) {
	t.Helper()
	o := options(t, d, running, boxKey.Public().(ed25519.PublicKey))
	o.Board = "qemu-virt"
	if _, err := update.Install(bytes.NewReader(bundle), o); err != nil {
		t.Fatal(err)
	}
	for range update.Tries - 1 {
		if _, err := update.Next(d.Boot); err != nil {
			t.Fatal(err)
		}
	}
}

// The way of an update, from a web server to a new firmware that stays, with UEFI firmware and systemd-boot; and of those that do not
// stay. In the short form these are put there while the box is off and have one start left.
func TestUpdatesOfABoxWithUEFI(t *testing.T) {
	t.Parallel()
	const password = "correct-horse"
	_, stranger := newKey(t)
	newer := Release{Version: "v9.9.0", Commit: "fedcba", Built: when.Add(time.Hour)}
	mute := Release{Version: "v9.9.1", Commit: "mute", Built: when.Add(2 * time.Hour)}
	dead := Release{Version: "v9.9.2", Commit: "dead", Built: when.Add(3 * time.Hour)}
	silent := signed(t, boxKey, mute, muteFirmware(t, mute))
	pem, url := web(t, map[string][]byte{
		"newer.image":  signed(t, boxKey, newer, newFirmware(t, newer)),
		"forged.image": signed(t, stranger, newer, deadFirmware()),
	})
	m := Machine{Disk: freshDisk(t), Work: t.TempDir(), UEFI: true, Memory: 1024}
	address := freePort(t)
	m.LAN = Wire{Net: "192.168.1.0/24", Host: "192.168.1.2", Forwards: []string{address + "-192.168.1.1:22"}, Open: true}
	d := partitions(t, m.Disk)
	e := powerOn(t, m)
	e.until(prompt)
	e.run("no terminal more")
	e.run("enable")
	io.WriteString(e.keys, "import pki:certificate/web\r"+strings.ReplaceAll(string(pem), "\n", "\r")+"\r")
	e.until(`certificate web[^\n]*\n[^\n]*#$`)
	e.run("configure")
	e.run("superuser admin password " + password)
	e.run("copy running-config startup-config")
	e.run("end")

	held := func() [3]string {
		var sums [3]string
		for i, part := range []update.Device{d.Boot, d.Roots[0], d.Roots[1]} {
			sums[i] = hashOf(t, io.NewSectionReader(part, 0, rootSize))
		}
		return sums
	}
	before := held()
	if text := e.try("copy " + url + "forged.image flash:"); !strings.Contains(text, "not of a key that this firmware trusts") {
		t.Errorf("forged:\n%s", text)
	}
	if text, err := installOverSSH(t, address, password, silent[:len(silent)/50]); err == nil || !strings.Contains(text, "cut short") {
		t.Errorf("cut short: %v\n%s", err, text)
	}
	if held() != before {
		t.Error("something of a refused update is on the medium")
	}
	e.images(`a +v9\.8\.7 .*running, confirmed; starts next`, `b .*empty`)

	if text := e.run("copy " + url + "newer.image flash:"); !strings.Contains(text, "kernel received") || !strings.Contains(text, "writing root to slot b") {
		t.Errorf("progress:\n%s", text)
	}
	e.images(`b +v9\.9\.0 .*starts next, on trial`)
	io.WriteString(e.keys, "reload\r")
	e.until("The box starts with image v9.9.0")
	e.logIn(password)
	e.again("show system images", `b +v9\.9\.0 .*running, confirmed; starts next`)
	if v := e.run("show version"); !strings.Contains(v, "v9.9.0") {
		t.Errorf("show version:\n%s", v)
	}

	// The next one starts, and answers nobody: PID 1 restarts the box, and the boot loader counts.
	starts := 1
	if *long {
		starts = update.Tries
		if text, err := installOverSSH(t, address, password, silent); err != nil || !strings.Contains(text, "writing root to slot a") {
			t.Errorf("over ssh: %v\n%s", err, text)
		}
		e.images(`a +v9\.9\.1 .*starts next, on trial`, `b +v9\.9\.0 .*running`)
		io.WriteString(e.keys, "reload\r")
		e.until("The box starts with image v9.9.1")
	} else {
		e.powerOff()
		putAside(t, d, update.B, silent)
		e = powerOn(t, m)
	}
	for range starts {
		e.until("BdsDxe: starting")
	}
	e.logIn(password)
	e.images(fmt.Sprintf(`a +v9\.9\.1 .*failed: did not come up well in %d starts`, update.Tries), `b +v9\.9\.0 .*running, confirmed; starts next`)

	// The kernel of the last one dies before PID 1.
	e.powerOff()
	putAside(t, d, update.B, signed(t, boxKey, dead, deadFirmware()))
	e = powerOn(t, m)
	e.until("Kernel panic")
	e.logIn(password)
	e.images(`a +v9\.9\.2 .*failed`, `b +v9\.9\.0 .*running, confirmed; starts next`)
	e.powerOff()
	boot, err := io.ReadAll(io.NewSectionReader(d.Boot, 0, bootSize))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, boot)
}
