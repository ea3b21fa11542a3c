package events

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
	"viaduct/appliance/status"
)

// kamailio is a presence server that keeps everything in memory, wants a password, and grants a few seconds.
const kamailio = `#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=yes
listen=udp:127.0.0.1:PORT
mpath="MODULES"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
loadmodule "presence_dialoginfo.so"
loadmodule "presence_mwi.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "server_address", "sip:127.0.0.1:PORT")
modparam("presence", "min_expires", 2)
modparam("presence", "min_expires_action", 1)
modparam("presence", "max_expires", 7)
modparam("presence_xml", "force_active", 1)
request_route {
	xlog("L_INFO", "came: $rm expires=$hdr(Expires) if-match=$hdr(SIP-If-Match)\n");
	if (is_method("PUBLISH") && $fU == "voicemail") { handle_publish(); exit; }
	if (!pv_auth_check("pbx.test", "secret", "0", "0")) {
		auth_challenge("pbx.test", "0");
		exit;
	}
	consume_credentials();
	if (is_method("REGISTER")) { save("location"); exit; }
	if (is_method("PUBLISH")) { handle_publish(); exit; }
	if (is_method("SUBSCRIBE")) { handle_subscribe(); exit; }
	sl_send_reply("405", "Method Not Allowed");
}
`

// setting is the box's part, real from the sockets up, and a Kamailio.
type setting struct {
	*testing.T
	ctx      context.Context
	pbx, box uint16
	dir      string
	log      *os.File // of Kamailio

	mu    sync.Mutex
	lines []sipevent.Line
}

// newSetting makes a folder, ports and a log for a foreign program, which the test shows when it fails.
func newSetting(t *testing.T) *setting {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it only ends what hangs
	t.Cleanup(cancel)
	s := &setting{T: t, ctx: ctx, pbx: port(t), box: port(t), dir: t.TempDir()}
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.text())
		}
		s.log.Close()
	})
	return s
}

// port is a UDP port of the loopback that is free.
func port(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// kamailio starts the server, and returns what ends it.
func (s *setting) kamailio() (end func()) {
	s.Helper()
	path, err := exec.LookPath("kamailio")
	if err != nil {
		s.Fatalf("%v: install Debian's packages kamailio and kamailio-presence-modules", err)
	}
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules/presence.so")
	if len(modules) == 0 {
		s.Fatal("install Debian's package kamailio-presence-modules")
	}
	text := strings.NewReplacer("PORT", fmt.Sprint(s.pbx), "MODULES", filepath.Dir(modules[0])+"/").Replace(kamailio)
	if err := os.WriteFile(filepath.Join(s.dir, "kamailio.cfg"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(path, "-f", "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", s.dir, "-w", s.dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it and its children; it has nothing to keep
		cmd.Wait()
	})
	s.Cleanup(end)
	return end
}

func (s *setting) text() string {
	b, _ := os.ReadFile(s.log.Name())
	return string(b)
}

func (s *setting) until(what string, f func() bool) {
	s.Helper()
	for !f() {
		select {
		case <-s.ctx.Done():
			s.Fatalf("did not happen: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// line is what was told last; Known is false when nothing was told.
func (s *setting) line() (l sipevent.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) > 0 {
		l = s.lines[len(s.lines)-1]
	}
	return l
}

// configuration is that of a box with one user, whose state is published, and whose line is asked for.
func (s *setting) configuration() *config.Config {
	peer := config.HostPort{Host: "127.0.0.1", Port: s.pbx}
	i := &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "lan"}, Trust: []config.Source{{Remote: true}}}
	i.SetDefaults()
	i.Remote = peer
	gw := &config.SIPGateway{Name: "lan", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: s.box}}, Location: []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}}
	gw.SetDefaults()
	p := &config.PresenceService{Name: "TEAMS"}
	p.SetDefaults()
	p.PublishTo, p.PublishEvent = config.Ref[config.Switch, config.SIPInterface]{Name: "pbx"}, config.PublishDialog
	p.Users = []config.PresenceUser{{Name: "anna@contoso.com", Identity: "user.01", Extension: "21"}}
	c := config.New()
	c.Gateways, c.Presence = []*config.SIPGateway{gw}, []*config.PresenceService{p}
	c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
	c.Auth = []*config.AuthService{{Name: "accounts", Users: []config.Credential{{Username: "user.01", Password: "secret"}}}}
	c.Location = []*config.LocationService{{Name: "ls", Domains: []config.Domain{{Index: 1, Host: peer.Host, Port: peer.Port}}, Identities: []*config.Identity{{Name: "user.01",
		IdentitySettings: config.IdentitySettings{SubscribeDialog: true, AuthOutbound: &config.AuthOutbound{Services: []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: "accounts"}}}}}}}}}
	return c
}

// The box tells Kamailio that a user is busy, and Kamailio tells the box, which watches the extension: each reads what the other writes, through
// challenges, refreshes, and a restart that forgets everything.
func TestKamailioIsToldAndTells(t *testing.T) {
	s := newSetting(t)
	end := s.kamailio()

	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	stack := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Log: log}})
	agent := sipevent.New(stack, sipevent.Options{Log: log, Line: func(l sipevent.Line) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, l)
	}})
	running, stop := context.WithCancel(s.ctx)
	var group sync.WaitGroup
	group.Go(func() { stack.Run(running) })
	ended := sync.OnceFunc(func() { stop(); group.Wait() })
	defer ended()
	if err := stack.Apply(s.configuration(), func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") }); err != nil {
		t.Fatal(err)
	}

	active := func() bool { return agent.Subscriptions()[0].State == status.SubscriptionActive }
	tell := func(busy bool) {
		agent.Publish(sipevent.Publication{Service: "TEAMS", Identity: "user.01", Extension: "21", State: config.InACall, Busy: busy})
	}
	s.until("the subscription is active", active)
	for range 2 {
		tell(true)
		s.until("the line is busy", func() bool { return s.line().Known && s.line().Busy })
		tell(false)
		s.until("the line is free", func() bool { return s.line().Known && !s.line().Busy })
	}
	tell(true)
	s.until("the line is busy", func() bool { return s.line().Busy })
	heard := agent.Subscriptions()[0].Notified
	s.until("the subscription is refreshed, and a NOTIFY comes", func() bool { return agent.Subscriptions()[0].Notified > heard })
	if !s.line().Busy {
		t.Errorf("after a refresh: %+v", s.line())
	}

	end()
	end = s.kamailio()
	s.until("the line of a server that has forgotten the subscription is unknown", func() bool { return !s.line().Known })
	s.until("the subscription is made anew", active)
	s.until("the user is published anew, and the line is busy", func() bool { return s.line().Known && s.line().Busy })
	if st := agent.Publications()[0]; st.Error != "" && st.State != status.Published {
		t.Errorf("%+v", st)
	}

	ended()
	s.until("the server is told of the end", func() bool { return strings.Contains(s.text(), "came: SUBSCRIBE expires=0") })
	end()
}
