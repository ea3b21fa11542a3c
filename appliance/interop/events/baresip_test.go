package events

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
)

// baresip starts a phone with one contact that it watches.
func (s *setting) baresip() *exec.Cmd {
	s.Helper()
	path, err := exec.LookPath("baresip")
	if err != nil {
		s.Fatalf("%v: install Debian's package baresip-core", err)
	}
	for name, text := range map[string]string{
		"contacts": fmt.Sprintf("\"Anna\" <sip:user.01@127.0.0.1:%d>;presence=p2p\n", s.box),
		"accounts": fmt.Sprintf("<sip:22@127.0.0.1:%d>;regint=0;pubint=0\n", s.pbx),
		"config":   fmt.Sprintf("poll_method epoll\nsip_listen 127.0.0.1:%d\nmodule_path /usr/lib/baresip/modules\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app contact.so\nmodule_app presence.so\n", s.pbx),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	cmd := exec.CommandContext(s.ctx, path, "-f", s.dir, "-v")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	return cmd
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// shows reports whether the phone has shown a text.
func (s *setting) shows(text string) bool {
	return strings.Contains(colours.ReplaceAllString(s.text(), ""), text)
}

// A phone of other people watches a Teams user: it shows each change, and takes its leave when it is switched off.
func TestBaresipWatches(t *testing.T) {
	s := newSetting(t)
	c := s.configuration()
	c.CS[0].Interfaces[0].Presence = config.Ref[config.Config, config.PresenceService]{Name: "TEAMS"}
	c.Presence[0].PublishTo.Name = ""
	c.Location[0].Identities[0].SubscribeDialog = false

	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	stack := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Log: log}})
	agent := sipevent.New(stack, sipevent.Options{Log: log})
	running, stop := context.WithCancel(s.ctx)
	var group sync.WaitGroup
	group.Go(func() { stack.Run(running) })
	defer group.Wait()
	defer stop()
	if err := stack.Apply(c, func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") }); err != nil {
		t.Fatal(err)
	}

	phone := s.baresip()
	notified := func(n uint64) func() bool {
		return func() bool {
			list := agent.Watchers()
			return len(list) == 1 && list[0].Event == "presence" && list[0].Identity == "user.01" && list[0].Notified >= n
		}
	}
	s.until("the phone has subscribed and takes the first NOTIFY", notified(1))
	agent.Publish(sipevent.Publication{Service: "TEAMS", Identity: "user.01", Extension: "21", State: config.InACall, Busy: true})
	s.until("the phone takes the second", notified(2))
	s.until("it shows the user as busy", func() bool { return s.shows("from Online to Busy") })
	agent.Publish(sipevent.Publication{Service: "TEAMS", Identity: "user.01", Extension: "21", State: config.Available})
	s.until("it shows the user as free", func() bool { return s.shows("from Busy to Online") })

	phone.Process.Signal(syscall.SIGTERM)
	s.until("it ends its subscription", func() bool { return len(agent.Watchers()) == 0 })
	defer context.AfterFunc(s.ctx, func() { phone.Process.Kill() })()
	if err := phone.Wait(); err != nil {
		t.Errorf("the phone: %v", err)
	}
}
