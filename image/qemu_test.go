package image

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"viaduct/appliance/lab"
	"viaduct/appliance/license"
)

// One build serves all tests; the second one is for the comparison.
var (
	imageDir   string // of box.img; "" until it is built
	builtImage = sync.OnceValues(func() (string, error) {
		var err error
		if imageDir, err = os.MkdirTemp("", "viaduct-image-test"); err != nil {
			return "", err
		}
		return filepath.Join(imageDir, "box.img"), buildTo(filepath.Join(imageDir, "box.img"))
	})
)

func TestMain(m *testing.M) {
	code := m.Run()
	if imageDir != "" {
		os.RemoveAll(imageDir)
	}
	os.Exit(code)
}

// efiLoader is systemd-boot, fetched as `make image BOARD=uefi-arm64` does.
var efiLoader = sync.OnceValues(func() (string, error) {
	name := "../build/systemd-bootaa64.efi"
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	out, err := exec.Command("./fetch-efi.sh", name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("fetch-efi.sh: %w\n%s", err, out)
	}
	return name, nil
})

func buildTo(name string) error {
	efi, err := efiLoader()
	if err != nil {
		return err
	}
	_, err = Build(Options{
		Board: "qemu-virt", Out: name, EFI: efi,
		Release: Release{Version: "v9.8.7", Commit: "0123456789abcdef", Built: when},
	})
	return err
}

func TestTwoBuildsAreEqual(t *testing.T) {
	first, err := builtImage()
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again.img")
	if err := buildTo(again); err != nil {
		t.Fatal(err)
	}
	if a, b := hash(t, first), hash(t, again); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func hash(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// emulated is a box under power.
type emulated struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys io.WriteCloser
	more chan []byte // from the serial line; closed at its end
	text bytes.Buffer
	read int // of text
}

// slow bounds each step: an emulated processor, on a machine that does other things too.
const slow = 2 * time.Minute

// disk is a fresh copy of the image on a larger medium.
func freshDisk(t *testing.T) string {
	t.Helper()
	built, err := builtImage()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "disk.img")
	tool(t, "cp", "--sparse=always", built, name)
	if err := os.Truncate(name, diskSize+256*mib); err != nil {
		t.Fatal(err)
	}
	return name
}

func powerOn(t *testing.T, m Machine) *emulated {
	t.Helper()
	cmd, err := m.Command(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e := &emulated{t: t, cmd: cmd, more: make(chan []byte, 64)}
	out, err := cmd.StdoutPipe()
	if err == nil {
		e.keys, err = cmd.StdinPipe()
	}
	cmd.Stderr = os.Stderr
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(e.more)
		for r := bufio.NewReader(out); ; {
			b := make([]byte, 4096)
			n, err := r.Read(b)
			if err != nil {
				return
			}
			e.more <- b[:n]
		}
	}()
	t.Cleanup(e.powerOff)
	return e
}

// powerOff pulls the plug. What the box has not synced is gone.
func (e *emulated) powerOff() {
	if e.cmd.ProcessState != nil {
		return
	}
	e.cmd.Process.Kill()
	for range e.more { // the pipe must be read to its end before Wait
	}
	e.cmd.Wait()
}

// ended waits until the emulator ends by itself: in a Machine without firmware, when the box restarts.
func (e *emulated) ended() {
	e.t.Helper()
	for deadline := time.After(slow); ; {
		select {
		case b, ok := <-e.more:
			if !ok {
				e.cmd.Wait()
				return
			}
			e.text.Write(b)
		case <-deadline:
			e.t.Fatalf("no restart within %v; the line says:\n%s", slow, e.text.Bytes()[e.read:])
		}
	}
}

// until reads the serial line until the pattern stands there, and returns all since the last time.
func (e *emulated) until(pattern string) string {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(slow)
	for {
		rest := e.text.Bytes()[e.read:]
		if m := re.FindIndex(rest); m != nil {
			e.read += m[1]
			return string(rest[:m[1]])
		}
		select {
		case b, ok := <-e.more:
			if !ok {
				e.t.Fatalf("the emulator ended; before %q:\n%s", pattern, rest)
			}
			e.text.Write(b)
		case <-deadline:
			e.t.Fatalf("no %q within %v; the line says:\n%s", pattern, slow, rest)
		}
	}
}

const prompt = `(?m)^\r?[\w-]+(\([\w./-]+\)(\[[^\]]*\])?)?[>#]$`

// run runs one command and returns what it printed.
func (e *emulated) run(line string) string {
	e.t.Helper()
	io.WriteString(e.keys, line+"\r")
	text := e.until(prompt)
	if strings.Contains(text, "\n% ") {
		e.t.Errorf("%s: %s", line, text)
	}
	return text
}

// again runs a command until its answer holds the pattern: what a configuration sets off takes a moment.
func (e *emulated) again(line, pattern string) {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	var text string
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if text = e.run(line); re.MatchString(text) {
			return
		}
	}
	e.t.Fatalf("%s never said %q but:\n%s", line, pattern, text)
}

// freePort is a TCP port of this host.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// greeting is what answers at an address within a few seconds, "" when nothing does.
func greeting(address string) string {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 8)
	n, _ := io.ReadFull(c, b)
	return string(b[:n])
}

// material is what an integrator pastes before the configuration: a key with its certificate, twice since there is no chain, and
// a license of an issuer that the configuration trusts.
func material(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sbc.meinefirma.de"}, DNSNames: []string{"sbc.meinefirma.de"},
		NotBefore: when.AddDate(0, -1, 0), NotAfter: when.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert := lab.CertificatePEM(der)
	private, err := lab.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	public, issuer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := license.Sign(issuer, license.License{Kind: license.SIPSessions, Count: 20, Serial: 1, System: "020000000010"})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("import pki:private-key/myprivate.key\n%s\nimport pki:certificate/MYCERTIFICATE\n%s\nimport pki:certificate/CA\n%s\n"+
		"license-authority mycompany %s\ninstall license %s\n", private, cert, cert, license.FormatIssuer(public), sessions)
}

// The whole way of a box: out of the emulator's reset with an empty data partition and a clock in 1970, configured over the serial
// line, saved, unplugged, and everything there again.
func TestBoxKeepsItsConfigurationOverAPowerCut(t *testing.T) {
	lan, wan := freePort(t), freePort(t)
	m := Machine{
		Disk: freshDisk(t), Work: t.TempDir(), Clock: "1970-01-01",
		LAN: Wire{"192.168.1.0/24", "192.168.1.2", []string{lan + "-192.168.1.1:22"}},
		WAN: Wire{"123.123.123.112/28", "123.123.123.113", []string{wan + "-123.123.123.123:22"}},
	}
	start := time.Now()
	e := powerOn(t, m)
	e.until(prompt)
	t.Logf("first prompt after %.1f s", time.Since(start).Seconds())
	if before := e.text.String(); strings.Contains(before, "init") || strings.Contains(before, "EXT4") {
		t.Errorf("the serial line is not the console's alone:\n%s", before)
	}
	e.run("no terminal more")
	if v := e.run("show version"); !strings.Contains(v, "v9.8.7") || !strings.Contains(v, "qemu-virt") || !strings.Contains(v, "020000000010") {
		t.Errorf("show version:\n%s", v)
	}
	if c := e.run("show clock"); !strings.Contains(c, "2026") {
		t.Errorf("the clock stands before the build:\n%s", c)
	}
	// As a terminal program pastes a file: without a look at what comes back.
	paste := "enable\nconfigure\n" + material(t) + lab.Configuration + "\nend\n"
	io.WriteString(e.keys, strings.ReplaceAll(paste, "\n", "\r"))
	text := e.until(`\n.*\d+ errors, .*\n[^\n]*#$`)
	if !strings.Contains(text, "\n0 errors, ") {
		t.Errorf("the paste left errors:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "% ") && !strings.HasPrefix(line, "% note: ") && !strings.HasPrefix(line, "% warning: ") {
			t.Errorf("the paste was told: %s", line)
		}
	}
	everything := func() {
		t.Helper()
		e.run("enable")
		e.again("show ip interface", `eth00\s+up\s+192\.168\.1\.1/24`)
		e.again("show ip interface", `eth01\s+up\s+123\.123\.123\.123/28`)
		e.again("show context sip-gateway", `(?s)gw_sip_lan_5060.*192\.168\.1\.1:5060.*gw_sip_wan_5062.*123\.123\.123\.123:5062`)
		if l := e.run("show system licenses"); !regexp.MustCompile(`(?i)sip.*\b20\b`).MatchString(l) {
			t.Errorf("licenses:\n%s", l)
		}
	}
	everything()
	running := e.run("show running-config")
	e.run("copy running-config startup-config")
	e.powerOff()

	start = time.Now()
	e = powerOn(t, m)
	e.until(prompt)
	t.Logf("prompt with a configuration after %.1f s", time.Since(start).Seconds())
	e.run("no terminal more")
	everything()
	if again := e.run("show running-config"); again != running {
		t.Errorf("saved:\n%s\nand after the power cut:\n%s", running, again)
	}
	if g := greeting(lan); !strings.HasPrefix(g, "SSH-2.0") {
		t.Errorf("on the LAN side SSH says %q", g)
	}
	if g := greeting(wan); g != "" {
		t.Errorf("on the WAN side SSH says %q", g)
	}
	e.powerOff()
	grown(t, m.Disk)
}

// grown checks that the data partition reaches to the end of the medium, in a sound table.
func grown(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(f, uint64(info.Size())); err != nil {
		t.Errorf("partition table: %v", err)
	}
	if end := int64(table.Partitions[partData-1].End+1) * sector; info.Size()-end > mib {
		t.Errorf("the data partition ends at %d of %d", end, info.Size())
	}
}
