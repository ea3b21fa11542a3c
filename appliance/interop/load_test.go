package interop

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/media/mediatest"
)

var (
	loadRate    = flag.Int("rate", 0, "calls per second of BenchmarkCalls and BenchmarkOverload, in place of theirs")
	loadSeconds = flag.Int("seconds", 20, "how long these begin calls")
	loadProfile = flag.String("profile", "", "`file` for a CPU profile of sbcd under a benchmark")
	loadProgram = flag.String("sbcd", "", "`program` to measure in place of one that is built now; with its consoled beside it nothing is built")
)

// builtAlready is what -sbcd names, when consoled stands beside it.
func builtAlready() (sbcd, consoled string) {
	consoled = filepath.Join(filepath.Dir(*loadProgram), "consoled")
	if _, err := os.Stat(consoled); *loadProgram == "" || err != nil {
		return "", ""
	}
	return *loadProgram, consoled
}

// load is a box between a SIPp and a hub.
type load struct {
	b     testing.TB
	ctx   context.Context
	world *lab.World
	box   *lab.Box
	dir   string
	log   *os.File // of the boxes
	hubs  int
	sipp  *lab.Process // nil: not running
}

// loadOptions say what box a load gets.
type loadOptions struct {
	calls        int      // licenses for so many at once
	arguments    []string // of sbcd
	pinned       bool     // the box has the first processor, all others the last
	registrar    bool     // phones may register
	paired       bool     // the networks of a pair; the second box is joinStandby's
	replacements []string // old, new, ... in the reference configuration
}

// newLoad starts a box with the reference configuration.
func newLoad(b testing.TB, ctx context.Context, o loadOptions) *load {
	b.Helper()
	l := &load{b: b, ctx: ctx, dir: b.TempDir()}
	state := b.TempDir()
	log, err := os.Create(filepath.Join(l.dir, "sbcd.log"))
	if err != nil {
		b.Fatal(err)
	}
	l.log = log
	b.Cleanup(func() {
		log.Close()
		if b.Failed() {
			b.Logf("the log of the box complains:\n%s", complaints(log.Name()))
		}
	})
	if l.world, err = lab.New(ctx, lab.Options{NoTeams: true, NoStarface: true, Pair: o.paired}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.world.Close(); err != nil {
			b.Error(err)
		}
	})
	for _, name := range []string{"sip.pstnhub.microsoft.com", "sip2.pstnhub.microsoft.com", "sip3.pstnhub.microsoft.com", "sip-du-a-eu.pstnhub.microsoft.com"} {
		l.world.DNS.Set(name, lab.WANPeerAddr)
	}
	if o.pinned {
		l.pin()
	}
	p := lab.Programs{SBCD: l.program(), Consoled: programs.consoled, State: state, Log: log, Arguments: o.arguments}
	if *loadProfile != "" {
		p.Arguments = append(p.Arguments, "-cpuprofile", *loadProfile)
	}
	if l.box, err = l.world.StartBox(ctx, p); err != nil {
		b.Fatal(err)
	}
	if o.pinned {
		mediatest.WantPinned(b, l.box.PID())
	}
	paste, err := l.world.Paste(lab.Setup{Sessions: o.calls, Channels: o.calls, Registrar: o.registrar, Configuration: strings.NewReplacer(append(o.replacements,
		"register auto", "register none",
		"    penalty-box sip-option-trigger interval 60 timeout 60 force tls\n", "",
		"    srtp renegotiate-on-connect\n", "", // a call is INVITE and BYE here
	)...).Replace(lab.Configuration)})
	if err != nil {
		b.Fatal(err)
	}
	if out, err := l.box.Paste(ctx, paste); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	l.until("gateways up", func() bool {
		text, err := l.box.Exec(ctx, "show context sip-gateway")
		return err == nil && strings.Contains(text, "192.168.1.1:5060") && strings.Contains(text, "123.123.123.123:5062")
	})
	l.until("names resolve", func() bool {
		text, err := l.box.Exec(ctx, "nslookup "+lab.StarfaceName)
		return err == nil && strings.Contains(text, lab.StarfaceAddr.String())
	})
	return l
}

// program is the sbcd that is measured.
func (l *load) program() string {
	return cmp.Or(*loadProgram, programs.sbcd)
}

// pin separates the box from those who load it: the kernel's work for a packet that the box sends counts as the box's up to the queue of
// its receiver, and that for one that it receives as the sender's.
func (l *load) pin() {
	l.b.Helper()
	if mediatest.Last() == 0 {
		l.b.Skip("there is one processor: the box and its load need one each")
	}
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(users), "4294967295") {
		l.b.Skip("needs root: in a user namespace the kernel lets no box steer its ports, so this would measure another one")
	}
	last := mediatest.Last()
	mediatest.Pin(0, last) // first: it pins the namespaces' threads, too
	if err := errors.Join(l.world.Box.Pin(0), l.world.LAN.Pin(last), l.world.WAN.Pin(last)); err != nil {
		l.b.Fatal(err)
	}
	l.b.Cleanup(func() { mediatest.Pin(0, -1) })
}

func (l *load) until(what string, f func() bool) {
	l.b.Helper()
	for !f() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-l.ctx.Done():
			l.b.Fatalf("%s: never", what)
		}
	}
}

// pbx starts a SIPp that answers every call, and returns its process.
func (l *load) pbx(more ...string) (pid int) {
	l.b.Helper()
	scenario, err := filepath.Abs("testdata/pbx-load.xml")
	if err != nil {
		l.b.Fatal(err)
	}
	screen, err := os.Create(filepath.Join(l.dir, "sipp.log"))
	if err != nil {
		l.b.Fatal(err)
	}
	defer screen.Close()
	p, err := l.world.LAN.Start(&exec.Cmd{Path: lookPath(l.b, "sipp"), Dir: l.dir, Stdout: screen, Stderr: screen, Args: append([]string{"sipp", "-sf", scenario,
		"-i", lab.StarfaceAddr.String(), "-p", "5060", "-nostdin", "-buff_size", "4194304", "-trace_stat", "-stf", "statistics.csv", "-fd", "1"}, more...)})
	if err != nil {
		l.b.Fatal(err)
	}
	l.sipp = p
	l.b.Cleanup(l.stopPBX)
	time.Sleep(500 * time.Millisecond)
	return p.Cmd.Process.Pid
}

// stopPBX ends SIPp, which writes its last figures then.
func (l *load) stopPBX() {
	l.b.Helper()
	if l.sipp == nil {
		return
	}
	select {
	case <-l.sipp.Done():
		text, _ := os.ReadFile(filepath.Join(l.dir, "sipp.log"))
		l.b.Errorf("SIPp has ended by itself: %v\n%s", l.sipp.Wait(), text[max(0, len(text)-2000):])
	default:
		if err := l.sipp.Stop(10 * time.Second); err != nil {
			l.b.Logf("sipp: %v", err)
		}
	}
	l.sipp = nil
}

func lookPath(b testing.TB, name string) string {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// hub opens four connections to the box, for calls that are held so long (negative: until the test ends them).
func (l *load) hub(hold time.Duration) *hub {
	l.b.Helper()
	var conns []*tls.Conn
	for range 4 {
		c, err := l.world.WAN.Dial(l.ctx, "tcp", lab.WANPeerAddr.String(), lab.BoxWAN.String()+":5062")
		if err != nil {
			l.b.Fatal(err)
		}
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{l.world.PKI.Teams}})
		if err := t.HandshakeContext(l.ctx); err != nil {
			l.b.Fatal(err)
		}
		l.b.Cleanup(func() { t.Close() })
		conns = append(conns, t)
	}
	l.hubs++
	return newHub(fmt.Sprint("load", l.hubs, "."), lab.SBCName+":5062", lab.WANPeerAddr.String()+":5061", hold, conns...)
}

var warning = regexp.MustCompile(`.*level=(?:WARN|ERROR) .*?msg=("[^"]*"|\S*).*\n`)

// complaints are the warnings and errors of a log: the first of each kind, after how many there are.
func complaints(log string) string {
	counts, first := map[string]int{}, map[string]string{}
	text, _ := os.ReadFile(log)
	for _, found := range warning.FindAllStringSubmatch(string(text), -1) {
		if counts[found[1]]++; counts[found[1]] == 1 {
			first[found[1]] = found[0]
		}
	}
	var b strings.Builder
	for kind, n := range counts {
		fmt.Fprintf(&b, "%6d %s", n, first[kind])
	}
	return b.String()
}

// statistics reads the last line that SIPp wrote.
func (l *load) statistics() map[string]int {
	l.b.Helper()
	f, err := os.Open(filepath.Join(l.dir, "statistics.csv"))
	if err != nil {
		l.b.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		l.b.Fatalf("statistics of SIPp: %d lines, %v", len(rows), err)
	}
	last, counts := rows[len(rows)-1], map[string]int{}
	for i, name := range rows[0] {
		if base, ok := strings.CutSuffix(name, "(C)"); ok && i < len(last) {
			counts[base], _ = strconv.Atoi(last[i])
		}
	}
	return counts
}
