package interop

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/media/mediatest"
)

var programs struct{ sbcd, consoled string }

func TestMain(m *testing.M) {
	mediatest.Main()
	lab.Enter()
	flag.Parse()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		panic(err)
	}
	if programs.sbcd, programs.consoled = builtAlready(); programs.consoled == "" {
		programs.sbcd, programs.consoled = filepath.Join(dir, "sbcd"), filepath.Join(dir, "consoled")
		out, err := exec.Command("go", "build", "-o", dir, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput()
		if err != nil {
			fmt.Printf("build the box: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	// Each test has networks of its own and waits more than it works: the longest decides, not the sum.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// packages are where the programs come from (the Makefile installs them).
var packages = map[string]string{"sipp": "sip-tester", "baresip": "baresip-core", "twinkle-console": "twinkle-console", "linphonec": "linphone-cli", "kamailio": "kamailio"}

// hubs are the names that hubs have, those that they put into Record-Route, and addresses inside Microsoft's networks.
var hubs = []struct {
	name, region string
	addr         netip.Addr
}{
	{"sip.pstnhub.microsoft.com", "sip-du-a-eu.pstnhub.microsoft.com", netip.MustParseAddr("52.114.16.81")},
	{"sip2.pstnhub.microsoft.com", "sip-du-a-us.pstnhub.microsoft.com", netip.MustParseAddr("52.114.16.82")},
	{"sip3.pstnhub.microsoft.com", "sip-du-a-as.pstnhub.microsoft.com", netip.MustParseAddr("52.114.16.83")},
}

// setting is a box in networks of its own; the test puts its peers there.
type setting struct {
	*testing.T
	ctx   context.Context
	world *lab.World
	box   *lab.Box
	dir   string
}

// limit ends a test that hangs, and what a peer does in it. One that works needs a fraction of it, also on a machine with other work.
const limit = 4 * time.Minute

// set makes the networks and the box, with the reference configuration but for what replacements (old, new, ...) change. Nobody
// registers accounts here.
func set(t *testing.T, replacements ...string) *setting {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	dir, state := t.TempDir(), t.TempDir() // before the world, so that they outlive it
	w, err := lab.New(ctx, lab.Options{NoTeams: true, NoStarface: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, hub := range hubs {
		if err := w.WAN.AddAddress("lo", 32, hub.addr); err != nil {
			t.Fatal(err)
		}
		w.DNS.Set(hub.name, hub.addr)
		w.DNS.Set(hub.region, hub.addr)
	}
	s := &setting{T: t, ctx: ctx, world: w, dir: dir}
	if s.box, err = w.StartBox(ctx, lab.Programs{SBCD: programs.sbcd, Consoled: programs.consoled, State: state, Log: t.Output()}); err != nil {
		t.Fatal(err)
	}
	paste, err := w.Paste(lab.Setup{Registrar: true, Configuration: strings.NewReplacer(append(replacements,
		"register auto", "register none",
		"    penalty-box sip-option-trigger interval 60 timeout 60 force tls\n", "", // none of these peers answers OPTIONS as Teams does
		"    srtp renegotiate-on-connect\n", "", // its re-INVITE would come into every call
	)...).Replace(lab.Configuration)})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.box.Paste(ctx, paste); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.until("gateways up", func() bool {
		text, err := s.box.Exec(ctx, "show context sip-gateway")
		return err == nil && strings.Contains(text, "192.168.1.1:5060") && strings.Contains(text, "123.123.123.123:5062")
	})
	s.until("names resolve", func() bool {
		text, err := s.box.Exec(ctx, "nslookup "+lab.StarfaceName)
		return err == nil && strings.Contains(text, lab.StarfaceAddr.String())
	})
	return s
}

func (s *setting) until(what string, f func() bool) {
	s.Helper()
	for !f() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.ctx.Done():
			s.Fatalf("%s: never", what)
		}
	}
}

func (s *setting) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// command is a peer's program with its arguments.
func (s *setting) command(program string, args ...string) *exec.Cmd {
	s.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		s.Fatalf("%v: install Debian's package %s", err, packages[program])
	}
	return exec.Command(path, args...)
}

// start starts a peer. What it writes is shown when the test fails.
func (s *setting) start(where *lab.Namespace, cmd *exec.Cmd) *lab.Process {
	s.Helper()
	log, err := os.CreateTemp(s.dir, filepath.Base(cmd.Path)+"-*.log")
	if err != nil {
		s.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	p, err := where.Start(cmd)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		p.Stop(3 * time.Second)
		log.Close()
		if s.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.Logf("%s:\n%s", strings.Join(cmd.Args, " "), text)
		}
	})
	return p
}

// sipp starts a SIPp that plays a scenario of testdata once, at an address of its own.
func (s *setting) sipp(where *lab.Namespace, address, scenario string, args ...string) *lab.Process {
	s.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", scenario+".xml"))
	if err != nil {
		s.Fatal(err)
	}
	messages := filepath.Join(s.dir, scenario+".messages")
	s.Cleanup(func() {
		if s.Failed() {
			text, _ := os.ReadFile(messages)
			s.Logf("%s:\n%s", scenario, text)
		}
	})
	return s.start(where, s.command("sipp", append([]string{"-sf", path, "-i", address, "-p", "5060", "-mi", address, "-m", "1", "-nostdin",
		"-timeout", fmt.Sprintf("%ds", int(limit.Seconds())), "-timeout_error", "-trace_err", "-error_file", messages + ".errors", "-trace_msg", "-message_file", messages}, args...)...))
}

// listens waits until a process has a socket at an address.
func (s *setting) listens(p *lab.Process, protocol string, at netip.AddrPort) {
	s.Helper()
	b := at.Addr().As4()
	entry := fmt.Sprintf("%02X%02X%02X%02X:%04X 00000000:0000 ", b[3], b[2], b[1], b[0], at.Port()) // as a little-endian kernel writes it
	s.until(fmt.Sprintf("%s listens at %s %v", p.Cmd.Path, protocol, at), func() bool {
		select {
		case <-p.Done():
			s.Fatalf("%s ended: %v", p.Cmd.Path, p.Wait())
		default:
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.Cmd.Process.Pid, protocol))
		return err == nil && strings.Contains(string(text), entry)
	})
}
