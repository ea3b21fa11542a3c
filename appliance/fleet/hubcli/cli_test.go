package hubcli_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/hub/hubtest"
	"viaduct/appliance/license"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine is one on which somebody types `hub`.
type machine struct {
	t       *testing.T
	dir     string
	text    strings.Builder // what was typed and shown
	replace []string        // what differs from run to run
	hub     *exec.Cmd
	log     *output
}

func (m *machine) command(stdin string, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "HUB_TEST_MAIN=1", "HUB_DIR="+m.dir, "SUDO_USER=anna", "TZ=UTC")
	c.Stdin = strings.NewReader(stdin)
	return c
}

// types runs a command and returns what it prints.
func (m *machine) types(stdin string, args ...string) string {
	m.t.Helper()
	c := m.command(stdin, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	fmt.Fprintf(&m.text, "$ hub %s\n%s", strings.Join(args, " "), out.String())
	if err != nil {
		fmt.Fprintf(&m.text, "(%v)\n", err)
	}
	m.text.WriteString("\n")
	return out.String()
}

// starts has the hub run, and waits until it serves.
func (m *machine) starts() {
	m.t.Helper()
	m.log = &output{}
	m.hub = m.command("", "run")
	m.hub.Stderr = m.log
	if err := m.hub.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { m.hub.Process.Kill(); m.hub.Wait() })
	eventually(m.t, "the hub serves", func() bool { return strings.Contains(m.log.String(), "the hub serves") })
}

// ends sends a signal and returns how the hub has ended.
func (m *machine) ends(signal syscall.Signal) error {
	m.t.Helper()
	if err := m.hub.Process.Signal(signal); err != nil {
		m.t.Fatal(err)
	}
	return m.hub.Wait()
}

// golden compares a text with a file, after what differs from run to run.
func (m *machine) golden(file, text string) {
	m.t.Helper()
	text = strings.NewReplacer(m.replace...).Replace(text)
	for pattern, with := range map[string]string{
		`SU[A-Z2-7]{56}`: "SEED", `\b[0-9a-f]{64}\b`: "PIN", `\d{4}-\d\d-\d\dT[\d:]+Z`: "TIME", `\d{4}-\d\d-\d\d`: "2026-11-30", `license add (\w+) [0-9a-f]{10}`: "license add $1 ID",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	text = regexp.MustCompile(`(?m) +$`).ReplaceAllString(text, "")
	name := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	if text != string(want) {
		m.t.Errorf("%s is otherwise; -update writes it anew:\n%s", name, text)
	}
}

// TestAHubFromNothing goes from an empty folder to boxes that connect, through a kill -9, to a customer that is gone.
func TestAHubFromNothing(t *testing.T) {
	free := hubtest.FreePorts(t, 2)
	p := []string{strconv.Itoa(free[0]), strconv.Itoa(free[1])}
	m := &machine{t: t, dir: filepath.Join(t.TempDir(), "hub")}
	m.replace = []string{m.dir, "/var/lib/hub", ":" + p[0], ":443", " " + p[0] + "\n", " 443\n", p[1], "4222"}
	key := func(name string) (nkeys.KeyPair, string) {
		pair, public := hubtest.NewKey(t)
		m.replace = append(m.replace, public, "U"+strings.ToUpper(name)+"KEY")
		return pair, public
	}
	issuer, issuing, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m.replace = append(m.replace, license.FormatIssuer(issuer), "ISSUER")

	m.types("", "customer", "list")
	m.types("", "init")
	m.types("", "init", "-name", "hub.example.com", "-store", "3GB", "-listen", "127.0.0.1:"+p[0], "-client", "127.0.0.1:"+p[1], "-authority", "lab="+license.FormatIssuer(issuer))
	m.types("", "init", "-name", "hub.example.com")
	m.types("", "customer", "list")
	n, err := hub.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	m.replace = append(m.replace, n.ID(), "0123456789AB")
	m.starts()
	for _, line := range []string{"show", "unit", "license id", "customer list", "customer add acme -store 1GB", "customer add acme", "customer add Acme", "customer add big -store 2GB", "customer list"} {
		m.types("", strings.Fields(line)...)
	}

	berlin, public := key("berlin")
	file := fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: public}
	m.types("node# show fleet key\n"+file.String(), "box", "add", "-sessions", "2..10", "-channels", "..20")
	m.types(file.String(), "box", "add")
	m.types(file.String(), "box", "add", "-customer", "acme")
	m.types("nothing", "box", "add")
	m.types("", "box", "add", "-customer", "nobody", "testdata/none")
	_, other := key("bonn")
	m.types(fleet.KeyFile{Box: "bonn", Serial: "00A0BA0F2439", Key: other}.String(), "box", "add")
	m.types(fleet.KeyFile{Box: "bonn", Serial: "00A0BA0F2440", Key: other}.String(), "box", "add")
	for _, line := range []string{"box list", "box set bonn -sessions 5", "box set bonn", "box set bonn -sessions 9..3", "box set ulm -sessions 5", "box list"} {
		m.types("", strings.Fields(line)...)
	}

	ca, err := n.CA()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	connects := func(pair nkeys.KeyPair, options ...nats.Option) (*nats.Conn, error) {
		all := []nats.Option{hub.Nkey(pair), nats.Secure(&tls.Config{RootCAs: roots, ServerName: "hub.example.com"}), nats.NoReconnect()}
		return nats.Connect("wss://127.0.0.1:"+p[0], append(all, options...)...)
	}
	var conn *nats.Conn
	cut := make(chan struct{})
	eventually(t, "the box is let in", func() bool {
		conn, err = connects(berlin, nats.ClosedHandler(func(*nats.Conn) { close(cut) }))
		return err == nil
	})
	next, nextPublic := key("berlin2")
	m.types(fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2500", Key: nextPublic}.String(), "box", "key")
	m.types(fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: nextPublic}.String(), "box", "key")
	<-cut // by the old key
	conn.Close()
	eventually(t, "the box is let in with its new key", func() bool {
		conn, err = connects(next)
		return err == nil
	})
	conn.Close()
	m.types(file.String(), "box", "key")

	out := m.types("", "operator", "add", "anna")
	seed := regexp.MustCompile(`SU[A-Z2-7]{56}`).FindString(out)
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	m.replace = append(m.replace, operator, "UANNAKEY")
	m.types("", "operator", "add", "berlin")
	m.types("", "operator", "add", "hub")
	m.types("", "operator", "list")
	credentials := filepath.Join(t.TempDir(), "anna")
	if err := os.WriteFile(credentials, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	m.replace = append(m.replace, credentials, "anna.hub")
	m.types("", "connect", "-operator", credentials, "berlin") // others may read it
	m.types("", "connect", "berlin")                           // it is not connected

	sign := func(l license.License) string {
		text, err := license.Sign(issuing, l)
		if err != nil {
			t.Fatal(err)
		}
		m.replace = append(m.replace, text, fmt.Sprintf("LICENSE%d", l.Serial))
		return text
	}
	m.types("", "authority", "list")
	good := sign(license.License{Kind: license.SIPSessions, Count: 30, Serial: 7, System: n.ID()})
	m.types("# license 7: 30 sip-sessions\ninstall license "+good+"\n", "license", "add")
	m.types("", "license", "add", good)
	m.types("", "license", "add", "-customer", "acme", good)
	m.types("", "license", "add", sign(license.License{Kind: license.SIPSessions, Count: 30, Serial: 8, System: "00A0BA0F2439"}))
	m.types("", "license", "add", sign(license.License{Kind: license.SIPSessions, Count: 30, Serial: 9}))
	m.types("", "license", "add", "nonsense")
	m.types("", "license", "show")

	if err := m.ends(syscall.SIGKILL); err == nil {
		t.Error("it was not killed")
	}
	m.starts()
	m.types("", "box", "list")
	eventually(t, "the box is let in after a restart", func() bool { // a hub that reads its users ends who has not said yet who he is
		conn, err = connects(next)
		return err == nil
	})
	conn.Close()
	for _, line := range []string{"box revoke berlin", "box revoke berlin", "box revoke nobody"} {
		m.types("", strings.Fields(line)...)
	}
	eventually(t, "the box is not let in", func() bool { conn, err = connects(next); return err != nil })
	m.types(fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: nextPublic}.String(), "box", "add")
	_, third := key("berlin3")
	m.types(fleet.KeyFile{Box: "berlin", Serial: "00A0BA0F2439", Key: third}.String(), "box", "add")
	for _, line := range []string{"box list", "operator revoke anna", "operator revoke anna", "operator list", "customer remove default", "customer remove acme", "customer list", "box remove berlin"} {
		m.types("", strings.Fields(line)...)
	}
	if err := m.ends(syscall.SIGTERM); err != nil {
		t.Errorf("it does not end cleanly: %v\n%s", err, m.log)
	}
	m.golden("commands.txt", m.text.String())
	trail, err := os.ReadFile(filepath.Join(m.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	m.golden("audit.txt", regexp.MustCompile(`(?m)^(\S+) \S+ `).ReplaceAllString(string(trail), "$1 WHO "))
	modes(t, m.dir)
}

// modes: nobody else reads what the hub has.
func modes(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"", "hub.json", "admin.seed", "lease.key", "ca.key", "ca.pem", "node.key", "nats.conf", "accounts.conf", "audit.log", "jetstream"} {
		about, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if about.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q has the mode %v", name, about.Mode())
		}
	}
}

// TestThreeNodes: what is printed for a hub of three nodes, and what their files are.
func TestThreeNodes(t *testing.T) {
	m := &machine{t: t, dir: filepath.Join(t.TempDir(), "hub")}
	m.replace = []string{m.dir, "/root/hub"}
	m.types("", "init", "-name", "hub.example.com", "-node", "a=a.example.com", "-node", "b=192.0.2.2", "-node", "c=c.example.com")
	n, err := hub.Open(filepath.Join(m.dir, "c"))
	if err != nil {
		t.Fatal(err)
	}
	m.replace = append(m.replace, n.ID(), "0123456789AB")
	m.types("", "show", "-dir", filepath.Join(m.dir, "c"))
	for _, wrong := range [][]string{{"-node", "a=a.example.com", "-node", "b=b.example.com"}, {"-node", "a"}, {"-node", "A=a.example.com", "-node", "b=b", "-node", "c=c"}, {"-client", "0.0.0.0:4222"}, {"-listen", "443"},
		{"-cert", "testdata/none"}, {"-store", "1MB"}, {"-store", "much"}, {"-authority", "lab=x"}} {
		m.types("", append([]string{"init", "-dir", filepath.Join(t.TempDir(), "x"), "-name", "hub.example.com"}, wrong...)...)
	}
	m.types("", "init", "-dir", filepath.Join(t.TempDir(), "x"), "-name", "hub example")
	text := regexp.MustCompile(regexp.QuoteMeta(os.TempDir())+`\S+/x`).ReplaceAllString(m.text.String(), "/root/x")
	m.golden("three.txt", text)
	conf, err := os.ReadFile(filepath.Join(m.dir, "b", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	m.golden("nats.conf", string(conf))
	if _, err := os.Stat(filepath.Join(m.dir, "b", "ca.key")); err == nil {
		t.Error("a node has the authority's key")
	}
}

// TestHelp: of every command.
func TestHelp(t *testing.T) {
	t.Setenv("HUB_DIR", "")
	m := &machine{t: t}
	var text strings.Builder
	out, _, code := command(t, "-h")
	fmt.Fprintf(&text, "%s", out)
	if code != 0 {
		t.Errorf("-h ends with %d", code)
	}
	for _, line := range regexp.MustCompile(`(?m)^  hub ((?:[a-z]+ )*[a-z]+)`).FindAllStringSubmatch(out, -1) {
		words := strings.Fields(line[1])
		for words[0] == "init" && len(words) > 1 {
			words = words[:1]
		}
		help := ""
		for n := min(2, len(words)); n > 0; n-- { // what follows is help, not a name
			if out, _, code := command(t, append(words[:n:n], "-h")...); code == 0 && strings.HasPrefix(out, "hub ") {
				help = out
				break
			}
		}
		if help == "" {
			t.Errorf("no help for %q", line[1])
		}
		fmt.Fprintf(&text, "\n%s", help)
	}
	m.golden("help.txt", text.String())
	for _, wrong := range [][]string{{"box"}, {"boxes", "much"}, {"box", "revoke"}, {"nonsense"}, {"box", "list", "-nonsense"}, {}} {
		if _, errs, code := command(t, wrong...); code != 2 || errs == "" {
			t.Errorf("%q: %d, %q", wrong, code, errs)
		}
	}
}
