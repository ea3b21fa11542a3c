package fleetlab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"viaduct/appliance/lab"
	"viaduct/appliance/license"
)

var scratch string

func TestMain(m *testing.M) {
	lab.Enter()
	var err error
	if scratch, err = os.MkdirTemp("", "fleetlab"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// programs builds the programs of the box and of the hub.
func programs(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "build", raceFlag, "-o", scratch, "viaduct/cmd/sbcd", "viaduct/cmd/consoled", "viaduct/appliance/fleet/cmd/hub").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return scratch
}

// hubAddr is where all boxes dial their hub.
var hubAddr = netip.MustParseAddr("198.51.100.1")

// fleet is a hub and its boxes.
type fleet struct {
	t     *testing.T
	ctx   context.Context
	bin   string
	net   *lab.Namespace // of the hub
	dir   string         // of the hub
	log   *lab.Log
	run   *lab.Process
	pin   string
	boxes []*box

	issuer ed25519.PrivateKey // of licenses
	key    ssh.Signer         // of the operator's account at the boxes
	ssh    string             // its file
}

// box is one of the boxes, with its world.
type box struct {
	*lab.World
	f    *fleet
	name string
	next netip.Addr // of the site's router, on the way to the hub
	sbc  *lab.Box
	log  *lab.Log
	rung int // calls that its PBX has made, refused ones among them: the box writes a record of each
}

// limit ends a test that hangs. It takes twenty seconds, and much longer on a machine that has other things to do.
const limit = 10 * time.Minute

// newFleet makes the hub's machine and so many worlds, whose boxes do not run yet.
func newFleet(t *testing.T, names ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, bin: programs(t), dir: filepath.Join(t.TempDir(), "hub"), log: &lab.Log{}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	f.ctx = ctx
	var err error
	if f.net, err = lab.NewNamespace("hub"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.net.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, f.issuer, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	f.operatorKey()
	states := make([]string, len(names))
	for n := range names {
		states[n] = t.TempDir() // before the clean-up that stops the box
	}
	for n, name := range names {
		w, err := lab.New(ctx, lab.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := &box{World: w, f: f, name: name, log: &lab.Log{}}
		f.boxes = append(f.boxes, b)
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if text := b.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
				t.Errorf("a race or a panic in %s", name)
			}
			if t.Failed() {
				t.Logf("the log of %s:\n%s", name, b.log)
			}
		})
		b.uplink(n + 1)
	}
	f.each(func(b *box) {
		n := slices.Index(f.boxes, b)
		sbc, err := b.StartBox(ctx, lab.Programs{SBCD: filepath.Join(f.bin, "sbcd"), Consoled: filepath.Join(f.bin, "consoled"), State: states[n], Log: b.log})
		if err != nil {
			t.Error(err)
			return
		}
		b.sbc = sbc
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the hub:\n%s", f.log)
		}
		if text := f.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
			t.Error("a race or a panic in the hub")
		}
	})
	return f
}

// each has something done with all boxes at once.
func (f *fleet) each(do func(*box)) {
	f.t.Helper()
	var all sync.WaitGroup
	for _, b := range f.boxes {
		all.Go(func() { do(b) })
	}
	all.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

// uplink joins the router of the box's site with the hub's machine. It lets through what the box opens to port 443, with its own address on it, and
// drops all else in both directions.
func (b *box) uplink(n int) {
	b.f.t.Helper()
	ours, theirs := netip.AddrFrom4([4]byte{203, 0, 113, byte(4*n + 1)}), netip.AddrFrom4([4]byte{203, 0, 113, byte(4*n + 2)})
	b.next = theirs
	err := b.WAN.Join("up0", ours, b.f.net, fmt.Sprint("site", n), theirs, 30)
	if err == nil && n == 1 {
		err = b.f.net.AddAddress("lo", 32, hubAddr)
	}
	if err == nil {
		_, err = b.f.in(b.WAN, "", "sh", "-ec", fmt.Sprintf(`ip route add %s via %s
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'END'
table ip site {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname wan0 oifname up0 tcp dport 443 accept
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname up0 ct state new drop
  }
  chain out {
    type nat hook postrouting priority 100;
    oifname up0 masquerade
  }
}
END`, hubAddr, theirs))
	}
	if err != nil {
		b.f.t.Fatal(err)
	}
}

// away takes the link to the hub down, or up again.
func (b *box) away(away bool) {
	b.f.t.Helper()
	text := "ip link set up0 down"
	if !away {
		text = fmt.Sprintf("ip link set up0 up; ip route add %s via %s", hubAddr, b.next)
	}
	if _, err := b.f.in(b.WAN, "", "sh", "-ec", text); err != nil {
		b.f.t.Fatal(err)
	}
}

// in runs a program in a namespace and returns what it prints.
func (f *fleet) in(n *lab.Namespace, input, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(f.ctx, program, args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	p, err := n.Start(cmd)
	if err != nil {
		return "", err
	}
	if err := p.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// hub runs a command of the hub at its machine.
func (f *fleet) hub(input string, args ...string) string {
	f.t.Helper()
	out, err := f.in(f.net, input, filepath.Join(f.bin, "hub"), append(args, "-dir", f.dir)...)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// startHub starts the hub and waits until it serves.
func (f *fleet) startHub() {
	f.t.Helper()
	before := strings.Count(f.log.String(), "the hub serves")
	cmd := exec.Command(filepath.Join(f.bin, "hub"), "run", "-dir", f.dir)
	cmd.Stdout, cmd.Stderr = f.log, f.log
	var err error
	if f.run, err = f.net.Start(cmd); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := f.run.Stop(20 * time.Second); err != nil {
			f.t.Error(err)
		}
	})
	f.until("the hub serves", func() bool { return strings.Count(f.log.String(), "the hub serves") > before })
}

// killHub ends it as a power cut would.
func (f *fleet) killHub() {
	f.t.Helper()
	if err := f.run.Cmd.Process.Kill(); err != nil {
		f.t.Fatal(err)
	}
	<-f.run.Done()
}

// until waits until something is so.
func (f *fleet) until(what string, so func() bool) {
	f.t.Helper()
	for !so() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-f.ctx.Done():
			f.t.Errorf("%s: not in time", what)
			f.t.FailNow()
		}
	}
}

// operatorKey makes the key with which an operator logs in at the boxes.
func (f *fleet) operatorKey() {
	f.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		f.t.Fatal(err)
	}
	f.ssh = filepath.Join(f.t.TempDir(), "id")
	if err := os.WriteFile(f.ssh, pem.EncodeToMemory(block), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if f.key, err = ssh.NewSignerFromKey(private); err != nil {
		f.t.Fatal(err)
	}
}

// license is a key for a pool of the hub.
func (f *fleet) license(kind license.Kind, count int) string {
	f.t.Helper()
	key, err := license.Sign(f.issuer, license.License{Kind: kind, Count: count, System: strings.TrimSpace(f.hub("", "license", "id")), Serial: uint32(count*100 + len(kind))})
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

func (f *fleet) authority() string {
	return license.FormatIssuer(f.issuer.Public().(ed25519.PublicKey))
}

// configure pastes the reference configuration, and waits until both peers know the box.
func (b *box) configure() error {
	text, err := b.Paste(lab.Setup{})
	if err != nil {
		return err
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.f.key.PublicKey())))
	text += "enable\nconfigure\nsuperuser anna password \"correct horse battery\"\npublic-key anna " + public + "\nlicense-authority fleet " + b.f.authority() + "\nend\n"
	if out, err := b.sbc.Paste(b.f.ctx, text); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return errors.Join(b.Starface.WaitRegistered(b.f.ctx, 3), b.Teams.WaitActive(b.f.ctx))
}

// lines pastes lines of the configuration.
func (b *box) lines(lines ...string) {
	b.f.t.Helper()
	if out, err := b.sbc.Paste(b.f.ctx, "enable\nconfigure\n"+strings.Join(lines, "\n")+"\nend\n"); err != nil {
		b.f.t.Errorf("%s: %v: %s", b.name, err, out)
	}
}

// fleet are lines of the block.
func (b *box) fleet(lines ...string) {
	b.f.t.Helper()
	b.lines(append([]string{"fleet"}, lines...)...)
}

// says runs a command at the box.
func (b *box) says(line string) string {
	b.f.t.Helper()
	out, err := b.sbc.Exec(b.f.ctx, line)
	if err != nil {
		b.f.t.Errorf("%s: %v", b.name, err)
	}
	return out
}

// state waits until the box says so of its fleet.
func (b *box) state(want string) {
	b.f.t.Helper()
	b.f.until(b.name+" is "+want, func() bool { return strings.Contains(b.says("show fleet"), "State: "+want) })
}

// serve starts the box's console and waits until it takes connections.
func (b *box) serve() {
	b.f.t.Helper()
	const at = "127.0.0.1:22"
	cmd := exec.Command(filepath.Join(b.f.bin, "consoled"), "-socket", b.sbc.Socket, "-state", b.f.t.TempDir(), "-ssh", at)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	p, err := b.Box.Start(cmd)
	if err != nil {
		b.f.t.Error(err)
		return
	}
	b.f.t.Cleanup(func() {
		if err := p.Stop(5 * time.Second); err != nil {
			b.f.t.Error(err)
		}
	})
	b.f.until("the console of "+b.name, func() bool {
		conn, err := b.Box.Dial(b.f.ctx, "tcp", "", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// pair are both ends of a call.
type pair struct{ out, in *lab.Call }

// ring has the PBX call Teams.
func (b *box) ring() (*lab.Call, error) {
	b.rung++
	return b.Starface.Call(b.f.ctx, lab.Ring{})
}

// call makes a call of the PBX to Teams, up.
func (b *box) call() (p pair, err error) {
	if p.out, err = b.ring(); err != nil {
		return p, err
	}
	select {
	case <-p.out.Over():
		return p, fmt.Errorf("the call ended: %+v", p.out.End())
	case <-p.out.Up():
	case <-b.f.ctx.Done():
		return p, b.f.ctx.Err()
	}
	if p.in, err = b.Teams.NextCall(b.f.ctx); err != nil {
		return p, err
	}
	return p, p.in.WaitUp(b.f.ctx)
}

// calls makes so many calls that stay up.
func (b *box) calls(n int) (list []pair) {
	b.f.t.Helper()
	for range n {
		p, err := b.call()
		if err != nil {
			b.f.t.Errorf("%s: %v", b.name, err)
			return list
		}
		list = append(list, p)
	}
	return list
}

func (b *box) hangUp(list []pair) {
	b.f.t.Helper()
	for _, p := range list {
		if err := p.out.Hangup(b.f.ctx); err != nil {
			b.f.t.Errorf("%s: %v", b.name, err)
		}
		if _, err := p.in.WaitOver(b.f.ctx); err != nil {
			b.f.t.Errorf("%s: %v", b.name, err)
		}
	}
}

// leased are the licenses for calls that the box has from the hub.
func (b *box) leased() int {
	b.f.t.Helper()
	pools, err := b.sbc.Pools(b.f.ctx)
	if err != nil {
		b.f.t.Errorf("%s: %v", b.name, err)
	}
	return pools[string(license.SIPSessions)].Leased
}
