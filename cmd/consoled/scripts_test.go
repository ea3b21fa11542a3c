package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	encpem "encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
	"software.sslmate.com/src/go-pkcs12"

	"viaduct/appliance/license"
)

// TestScripts drives the real sbcd and the real consoled as people do. Each script has a box, a consoled with a serial line and
// an SSH port, and these commands besides testscript's own:
//
//	sbcd start|kill          begin, or end as a crash does
//	terminal serial|stdio    sit down at a terminal; ssh USER [OPTION...] is OpenSSH's client at one, telnet PORT a bare one
//	type TEXT...             text and Enter, as fingers do
//	keys TEXT...             text with Go escapes (\t, \x03), as fingers do
//	paste FILE...            a file at line speed, CR for LF
//	see TEXT...              wait until it is shown
//	await TEXT               press Enter until it is shown
//	hide TEXT...             it was not shown since the last see
//	installer start|idle|small|restarts   PID 1 of a box (installer_test.go): it is there; nothing is on its way to it; sbcd held no
//	                         image in memory; it was told to restart
//
// `exec sshbox USER COMMAND...` is OpenSSH's client with a command and a public key. Beside the box stands a web server (web_test.go),
// https://127.0.0.1:8443/, whose folder is web.
//
// Files that each script finds: ref.cfg (the guide's configuration, corrected), cert.pem, key.pem and other.pem (a key of
// another certificate), ec-cert.pem and ec-key.pem, box.pfx (key.pem and cert.pem under the pass phrase "open sesame"), licenses.txt, id and id.pub.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/scripts",
		Setup: setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sbcd": cmdSbcd, "terminal": cmdTerminal, "type": cmdType, "keys": cmdKeys, "paste": cmdPaste, "see": cmdSee, "await": cmdAwait, "hide": cmdHide, "installer": cmdInstaller,
		},
	})
}

// desk is what stands around a box in a script.
type desk struct {
	box      *realBox
	init     *installer
	work     string
	master   *os.File // of the serial line
	address  string   // of SSH
	serial   *user
	user     *user // who sits at the terminal
	shown    string
	cleanups []func()
}

type scriptT struct{ *testscript.TestScript }

func (scriptT) Helper() {}

func theDesk(ts *testscript.TestScript) *desk {
	d := ts.Value("desk").(*desk)
	d.box.t = scriptT{ts}
	if d.user != nil {
		d.user.t = scriptT{ts}
	}
	return d
}

func setupScript(env *testscript.Env) error {
	d := &desk{work: env.WorkDir, box: &realBox{state: filepath.Join(env.WorkDir, "state")}}
	// A path of a unix socket has at most 107 characters.
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		return err
	}
	d.box.socket = filepath.Join(dir, "sbcd.sock")
	env.Values["desk"] = d
	env.Defer(func() {
		for i := len(d.cleanups) - 1; i >= 0; i-- {
			d.cleanups[i]()
		}
		d.box.kill()
		os.RemoveAll(dir)
	})
	env.Setenv("SOCKET", d.box.socket)
	d.box.installer, d.box.web = filepath.Join(dir, "init.sock"), filepath.Join(env.WorkDir, "web")
	bin := filepath.Join(env.WorkDir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		return err
	}
	program := fmt.Sprintf("#!/bin/sh\nCONSOLED_TEST_MAIN=1 exec %s -socket %s \"$@\"\n", self, d.box.socket)
	if err := os.WriteFile(filepath.Join(bin, "consoled"), []byte(program), 0o755); err != nil {
		return err
	}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
	if err := d.files(env); err != nil {
		return err
	}
	if err := makeWeb(env.WorkDir); err != nil {
		return err
	}
	if err := d.consoled(); err != nil {
		return err
	}
	program = fmt.Sprintf("#!/bin/sh\nuser=$1; shift\nexec ssh %s -i %s -o BatchMode=yes $user@127.0.0.1 \"$@\"\n", strings.Join(d.sshOptions(), " "), filepath.Join(d.work, "id"))
	return os.WriteFile(filepath.Join(bin, "sshbox"), []byte(program), 0o755)
}

// sshOptions make OpenSSH's client forget the machine that it runs on.
func (d *desk) sshOptions() []string {
	_, port, _ := net.SplitHostPort(d.address)
	return []string{"-F", "none", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(d.work, "known"),
		"-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes"}
}

// atHand are the files that an administrator has at hand, and his public key. They are made once: RSA keys take seconds.
var atHand = sync.OnceValues(func() (map[string][]byte, error) {
	reference, err := os.ReadFile("../../appliance/lang/testdata/starface-teams.cfg")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"ref.cfg": reference}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sbc.meinefirma.de"}, DNSNames: []string{"sbc.meinefirma.de"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ecCert, err := x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec)
	if err != nil {
		return nil, err
	}
	ecDER, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) []byte {
		return append(encpem.EncodeToMemory(&encpem.Block{Type: kind, Bytes: der}), '\n')
	}
	files["cert.pem"], files["key.pem"] = block("CERTIFICATE", cert), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	files["other.pem"] = block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(other))
	files["ec-cert.pem"], files["ec-key.pem"] = block("CERTIFICATE", ecCert), block("EC PRIVATE KEY", ecDER)

	leaf, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, err
	}
	if files["box.pfx"], err = pkcs12.Modern2023.Encode(key, leaf, nil, "open sesame"); err != nil {
		return nil, err
	}

	public, issuer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	licenses := "license-authority lab " + license.FormatIssuer(public) + "\n"
	for i, kind := range []license.Kind{"sip-sessions", "srtp-channels"} {
		l := license.License{Kind: kind, Count: 20, Serial: uint32(i + 1), System: serialNumber}
		text, err := license.Sign(issuer, l)
		if err != nil {
			return nil, err
		}
		licenses += fmt.Sprintf("# %s\n# for %s\ninstall license %s\n", l, serialNumber, text)
	}
	files["licenses.txt"] = []byte(licenses)

	public, login, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	mine, err := ssh.MarshalPrivateKey(login, "")
	if err != nil {
		return nil, err
	}
	theirs, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	files["id"] = encpem.EncodeToMemory(mine)
	files["id.pub"] = ssh.MarshalAuthorizedKey(theirs)
	return files, nil
})

// files writes them for a script.
func (d *desk) files(env *testscript.Env) error {
	files, err := atHand()
	if err != nil {
		return err
	}
	env.Setenv("PUBLICKEY", strings.TrimSpace(string(files["id.pub"])))
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d.work, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// consoled starts the console with a serial line and an SSH port.
func (d *desk) consoled() error {
	master, slave, err := pty.Open()
	if err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, func() { master.Close(); slave.Close() })
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		return err
	}
	d.master = master
	c := exec.Command(os.Args[0], "-socket", d.box.socket, "-serial", slave.Name(), "-ssh", "127.0.0.1:0", "-state", filepath.Join(d.work, "console"))
	c.Env = append(os.Environ(), "CONSOLED_TEST_MAIN=1")
	log, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
	})
	listens := regexp.MustCompile(`ssh listens.*peer=(127\.0\.0\.1:\d+)`)
	found := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(log); s.Scan(); {
			if m := listens.FindStringSubmatch(s.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case d.address = <-found:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("consoled does not listen")
	}
}

func cmdSbcd(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	switch strings.Join(args, " ") {
	case "start":
		d.box.start()
	case "kill":
		d.box.kill()
	default:
		ts.Fatalf("usage: sbcd start|kill")
	}
}

func cmdTerminal(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	if len(args) == 0 {
		ts.Fatalf("usage: terminal serial|stdio|ssh USER [OPTION...]")
	}
	var c *exec.Cmd
	switch args[0] {
	case "telnet":
		var conn net.Conn
		eventually(scriptT{ts}, "telnet answers", func() (ok bool) {
			var err error
			conn, err = net.Dial("tcp", "127.0.0.1:"+args[1])
			return err == nil
		})
		d.cleanups = append(d.cleanups, func() { conn.Close() })
		d.user = newUser(scriptT{ts}, conn, conn)
		return
	case "serial":
		if d.serial == nil {
			d.serial = newUser(scriptT{ts}, d.master, d.master)
		}
		d.user = d.serial
		return
	case "stdio":
		c = exec.Command(os.Args[0], "-socket", d.box.socket, "-stdio")
		c.Env = append(os.Environ(), "CONSOLED_TEST_MAIN=1")
	case "ssh":
		options := append(append(d.sshOptions(), "-tt"), args[2:]...)
		c = exec.Command("ssh", append(options, args[1]+"@127.0.0.1")...)
		c.Env = append(os.Environ(), "HOME="+d.work, "SSH_ASKPASS_REQUIRE=never")
		c.Dir = d.work
	}
	tty, err := pty.StartWithSize(c, &pty.Winsize{Rows: 24, Cols: 132})
	if err != nil {
		ts.Fatalf("%v", err)
	}
	d.cleanups = append(d.cleanups, func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		tty.Close()
	})
	d.user = newUser(scriptT{ts}, tty, tty)
}

func cmdType(ts *testscript.TestScript, _ bool, args []string) {
	theDesk(ts).user.types(strings.Join(args, " ") + "\r")
}

func cmdKeys(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote(`"` + strings.Join(args, " ") + `"`)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	theDesk(ts).user.types(text)
}

func cmdPaste(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	for _, name := range args {
		text := strings.ReplaceAll(ts.ReadFile(name), "\n", "\r")
		u := d.user
		for len(text) > 0 { // a pty takes 4096 bytes, and a terminal program no more at a time
			n := min(len(text), 1024)
			u.sends(text[:n])
			text = text[n:]
		}
	}
}

func cmdSee(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	d.shown = ""
	for _, text := range args {
		d.shown += d.user.sees(text)
	}
}

func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	u := theDesk(ts).user
	eventually(scriptT{ts}, "shown: "+args[0], func() bool {
		time.Sleep(500 * time.Millisecond)
		u.types("\r")
		u.rests()
		u.lock.Lock()
		defer u.lock.Unlock()
		_, rest, found := strings.Cut(u.got, args[0])
		if found {
			u.got = rest
		}
		return found
	})
}

func cmdHide(ts *testscript.TestScript, _ bool, args []string) {
	d := theDesk(ts)
	for _, text := range args {
		if strings.Contains(d.shown, text) {
			ts.Fatalf("%q was shown: %q", text, d.shown)
		}
	}
}
