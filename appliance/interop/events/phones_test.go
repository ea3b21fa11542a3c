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
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/registrar"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
	"viaduct/appliance/status"
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
	stack := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Log: log}, Phones: phones})
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

// publish has the voicemail of Kamailio say what waits for 21.
func (s *setting) publish(body string) {
	s.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(s.pbx)})
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	at := c.LocalAddr()
	m := fmt.Sprintf("PUBLISH sip:21@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:voicemail@127.0.0.1>;tag=v\r\nTo: <sip:21@127.0.0.1>\r\nCall-ID: %d@voicemail\r\n"+
		"CSeq: 1 PUBLISH\r\nEvent: message-summary\r\nExpires: 7\r\nContent-Type: application/simple-message-summary\r\nContent-Length: %d\r\n\r\n%s", at, time.Now().UnixNano(), time.Now().UnixNano(), len(body), body)
	answer := make([]byte, 4096)
	for {
		if _, err := c.Write([]byte(m)); err != nil {
			s.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // UDP: it is said again
		if n, err := c.Read(answer); err == nil {
			if !strings.HasPrefix(string(answer[:n]), "SIP/2.0 200 ") {
				s.Fatalf("%s", answer[:n])
			}
			return
		} else if s.ctx.Err() != nil {
			s.Fatal(err)
		}
	}
}

// baresipDesk starts a phone that registers here as 21, watches 22, and asks for its messages.
func (d *desks) baresipDesk() *exec.Cmd {
	d.Helper()
	path, err := exec.LookPath("baresip")
	if err != nil {
		d.Fatalf("%v: install Debian's package baresip-core", err)
	}
	// mwi.so is a `module`, which is loaded before the others: a millisecond later it goes through its subscriptions, adding one for each that it
	// finds. It never ends if the phone has registered by then.
	for name, text := range map[string]string{
		"contacts": fmt.Sprintf("\"Ben\" <sip:22@127.0.0.1:%d>;presence=p2p\n", d.box),
		"accounts": fmt.Sprintf("<sip:21@127.0.0.1:%d>;auth_pass=hush;mwi=yes;regint=60;pubint=0\n", d.box),
		"config": fmt.Sprintf("poll_method epoll\nsip_listen 127.0.0.2:%d\nmodule_path /usr/lib/baresip/modules\nmodule mwi.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app contact.so\nmodule_app presence.so\n",
			d.phone),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			d.Fatal(err)
		}
	}
	cmd := exec.CommandContext(d.ctx, path, "-f", d.dir, "-v")
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, d.log, d.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	return cmd
}

// A phone of other people registers, proves who it is for its subscriptions too, shows another phone's state and the messages that Kamailio has for it,
// answers when it is told to start again, and takes its leave.
func TestBaresipHasMessagesAndKeys(t *testing.T) {
	s := newSetting(t)
	s.kamailio()
	d := s.desks(true)
	s.until("Kamailio tells of messages", func() bool {
		list := d.agent.Subscriptions()
		return len(list) == 1 && list[0].Event == "message-summary" && list[0].State == status.SubscriptionActive
	})
	phone := d.baresipDesk()
	s.until("the phone watches 22", d.watches("presence", "22", 1))
	s.until("the phone asks for its messages", d.watches("message-summary", "21", 1))

	s.publish("Messages-Waiting: yes\r\nMessage-Account: sip:*97@127.0.0.1\r\nVoice-Message: 2/8 (0/2)\r\n")
	s.until("the phone shows the messages", func() bool { return s.shows("Voice-Message: 2/8 (0/2)") })
	s.publish("Messages-Waiting: no\r\nMessage-Account: sip:*97@127.0.0.1\r\nVoice-Message: 0/10 (0/0)\r\n")
	s.until("the phone shows that there are none", func() bool { return s.shows("Voice-Message: 0/10 (0/0)") })

	d.call(dialoginfo.Confirmed)
	s.until("the phone shows 22 as busy", func() bool { return s.shows("from Online to Busy") })
	d.call(dialoginfo.Terminated)
	s.until("the phone shows 22 as free", func() bool { return s.shows("from Busy to Online") })

	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	list, err := d.agent.Restart(ctx, "", "21")
	if err != nil || len(list) != 1 || list[0].Code == 0 || !strings.Contains(list[0].Model, "baresip") {
		t.Errorf("%+v, %v", list, err)
	}

	phone.Process.Signal(syscall.SIGTERM)
	s.until("it ends its subscriptions", func() bool { return len(d.agent.Watchers()) == 0 })
	defer context.AfterFunc(s.ctx, func() { phone.Process.Kill() })()
	if err := phone.Wait(); err != nil {
		t.Errorf("the phone: %v", err)
	}
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
