package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"viaduct/appliance/api"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// configBox is a box that has a configuration and nothing else: a command that asks for more panics, which the api answers.
type configBox struct {
	device.Box
	lock    sync.Mutex
	running atomic.Pointer[config.Config]
}

func (b *configBox) Running() *config.Config { return b.running.Load() }
func (b *configBox) Env() check.Env          { return check.Env{} }
func (b *configBox) Serial() string          { return "" }
func (b *configBox) Alarms() []health.Alarm  { return nil }

// Note keeps no trail.
func (b *configBox) Note(status.Audit, func(*status.Audit)) {}

func (b *configBox) Mutate(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	next, err := change(b.running.Load())
	if err == nil {
		b.running.Store(next)
	}
	return err
}

// realLanguage serves an empty configuration behind the real language.
func realLanguage(t *testing.T) (socket string) {
	t.Helper()
	box := &configBox{}
	box.running.Store(config.New())
	socket = socketPath(t)
	s, err := api.Listen(api.Options{Socket: socket}, api.NewBackend(lang.New(), box))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return socket
}

const guide = `system hostname sbc01
context cs SWITCH
  mapping-table called-e164 to called-e164 mt_internalCalls
    map (00)?49(...)?$ to \2
  routing-table called-e164 rt_from_teams
    route default dest-interface if_sip_starface
  interface sip if_sip_starface
    remote 192.168.1.100 5060
`

func TestRealLanguageOverAPipe(t *testing.T) {
	first, second := realLanguage(t), realLanguage(t)
	if out, status := pipe(t, first, "enable\nconfigure\n"+guide); status != 0 {
		t.Errorf("paste: status %d\n%s", status, out)
	}
	printed, _ := pipe(t, first, "enable\nshow running-config\n")
	if !strings.Contains(printed, `map (00)?49(...)?$ to \2`) {
		t.Fatalf("printed:\n%s", printed)
	}
	pipe(t, second, "enable\nconfigure\n"+printed)
	if again, _ := pipe(t, second, "enable\nshow running-config\n"); again != printed {
		t.Errorf("pasted back, it prints\n%s\nnot\n%s", again, printed)
	}
	out, status := pipe(t, first, "enable\nconfigure\nsystem nonsense sbc02\nsystem hostname sbc03\n")
	if status != 1 || !strings.Contains(out, "nonsense") || !strings.Contains(out, "(input line 3)") {
		t.Errorf("a misspelt line: status %d\n%s", status, out)
	}
}

func TestRealLanguageAtATerminal(t *testing.T) {
	socket := realLanguage(t)
	u, _ := stdioTTY(t, socket)
	u.sees(">")
	u.types("en\t\r")
	u.sees("#")
	u.types("conf\r")
	u.sees("(cfg)#")
	u.sends(strings.ReplaceAll(guide, "\n", "\r"))
	u.sees("[if_sip_starface]#")
	u.types("\x1aconfigure\r")
	u.sees("(cfg)#")
	u.types("context cs SWITCH\r")
	u.sees("[SWITCH]#")
	u.types("routing-table called-e164 rt_from_teams\r")
	u.sees("[rt_from_teams]#")
	u.types("route 49 dest-interface if_\t\r") // Tab completes the name of an object
	u.sees("if_sip_starface")
	u.sees("[rt_from_teams]#")
	u.types("route 50 ?") // help on an argument
	u.sees("dest-interface")
	u.types("\x03")
	u.sees("^C\r\n")
	u.types("mapping-table called-e164 to called-e164 mt_internalCalls\r")
	u.sees("[mt_internalCalls]#")
	u.types(`map (00)?32(...)?$ to \2` + "\r")
	u.sees("#")
	u.types("show running-config\r")
	u.sees(`map (00)?32(...)?$ to \2`)
}
