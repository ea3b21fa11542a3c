package events

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/registrar"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
)

// desks is a box whose phones are at 127.0.0.2: it is the registrar of 21 and 22, and itself registered as 21 at Kamailio, whose mailbox 21 has.
type desks struct {
	*setting
	agent *sipevent.Agent
	phone uint16
}

// models leaves out what package sipevent does not ask of a registrar.
type models struct{ *registrar.Registrar }

func (m models) Model(a netip.Addr) string {
	model, _ := m.Registrar.Model(a)
	return model
}

// desks starts it. Phones need not show who they are if asked is false.
func (s *setting) desks(asked bool) *desks {
	d := &desks{setting: s, phone: port(s.T)}
	c := s.configuration()
	c.Presence, c.CS[0].Interfaces[0].Presence = nil, config.Ref[config.Config, config.PresenceService]{}
	accounts := func(service, name string) []config.Authenticate {
		return []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: service}, Username: name}}
	}
	c.Auth = []*config.AuthService{{Name: "accounts", Users: []config.Credential{{Username: "21", Password: "secret"}}},
		{Name: "phones", Users: []config.Credential{{Username: "21", Password: "hush"}, {Username: "22", Password: "hush"}}}}
	c.Location[0].Identities = []*config.Identity{{Name: "21", IdentitySettings: config.IdentitySettings{Registration: &config.Registration{Auto: true, Lifetime: time.Minute},
		AuthOutbound: &config.AuthOutbound{Services: accounts("accounts", "21")}}}}
	inbound := &config.RegistrationInbound{}
	inbound.SetDefaults()
	desk := func(name string) *config.Identity {
		return &config.Identity{Name: name, IdentitySettings: config.IdentitySettings{Inbound: inbound, MessageWaiting: true, AuthInbound: &config.AuthInbound{None: !asked, Services: accounts("phones", name)}}}
	}
	c.Location = append(c.Location, &config.LocationService{Name: "desks", Domains: []config.Domain{{Index: 1, Host: "127.0.0.1"}}, Identities: []*config.Identity{desk("21"), desk("22")}})
	i := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: c.CS[0].Interfaces[0].Gateway, Trust: []config.Source{{Prefix: netip.MustParsePrefix("127.0.0.2/32")}}}
	i.SetDefaults()
	i.Phones.Name = "desks"
	c.CS[0].Interfaces = append(c.CS[0].Interfaces, i)

	log := slog.New(slog.NewTextHandler(s.Output(), nil))
	phones := registrar.New(registrar.Options{Log: log, Registered: func(location, identity string) { d.agent.Registered(location, identity) }})
	stack := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: literals{}, Log: log}, Phones: phones})
	phones.Attach(stack)
	phones.Apply(c)
	d.agent = sipevent.New(stack, sipevent.Options{Log: log, Phones: models{phones}})
	running, stop := context.WithCancel(s.ctx)
	var group sync.WaitGroup
	group.Go(func() { stack.Run(running) })
	s.Cleanup(func() { stop(); group.Wait() })
	if err := stack.Apply(c, func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") }); err != nil {
		s.Fatal(err)
	}
	return d
}

// watches reports whether somebody watches, and has taken so many NOTIFYs.
func (d *desks) watches(event, identity string, notified uint64) func() bool {
	return func() bool {
		for _, w := range d.agent.Watchers() {
			if w.Event == event && w.Identity == identity && w.Notified >= notified {
				return true
			}
		}
		return false
	}
}

// call is how a call of somebody to the phone 22 is.
func (d *desks) call(state dialoginfo.State) {
	d.agent.Dialog("desks", "22", dialoginfo.Dialog{ID: "c1b", CallID: "c1@box", LocalTag: "phone", RemoteTag: "ours", Direction: dialoginfo.Recipient, State: state,
		Remote: dialoginfo.Party{URI: "0721151040", Name: "Ben"}})
}

// A SIPp that is a phone registers, watches 22 by dialog-info as keys do, and is told what an INVITE with Replaces must name.
func TestSIPpWatchesAKey(t *testing.T) {
	s := newSetting(t)
	d := s.desks(false)
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatalf("%v: install Debian's package sip-tester", err)
	}
	scenario, err := filepath.Abs(filepath.Join("testdata", "phone-watches.xml"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(s.ctx, path, fmt.Sprintf("127.0.0.1:%d", s.box), "-sf", scenario, "-i", "127.0.0.2", "-p", fmt.Sprint(d.phone), "-m", "1", "-nostdin",
		"-timeout", "120s", "-timeout_error", "-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"errors", "messages"} {
				text, _ := os.ReadFile(filepath.Join(s.dir, name))
				t.Logf("%s", text)
			}
		}
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("the phone watches 22", d.watches("dialog", "22", 1))
	d.call(dialoginfo.Early)
	s.until("it shows it ringing", d.watches("dialog", "22", 2))
	d.call(dialoginfo.Confirmed)
	s.until("it shows it talking", d.watches("dialog", "22", 3))
	d.call(dialoginfo.Terminated)
	s.until("it shows it free, and is gone", func() bool { return len(d.agent.Watchers()) == 0 })
	if err := cmd.Wait(); err != nil {
		t.Errorf("sipp: %v", err)
	}
}
