package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"

	"golang.org/x/crypto/bcrypt"
)

// accounts is a box with accounts, and a little to measure.
type accounts struct {
	device.Box
	cfg     *config.Config
	failing []string
	trail   []status.Audit
}

func (b *accounts) Note(e status.Audit, more func(*status.Audit)) {
	if more != nil {
		more(&e)
	}
	b.trail = append(b.trail, e)
}
func (b *accounts) Commit() status.Commit              { return status.Commit{} }
func (b *accounts) KeepPassword(*config.Account, bool) {}
func (b *accounts) Running() *config.Config            { return b.cfg }
func (b *accounts) Env() check.Env                     { return check.Env{} }
func (b *accounts) Serial() string                     { return "" }
func (b *accounts) System() status.System {
	return status.System{Release: `1.0 "x"`, Commit: "0123", Started: time.Now()}
}
func (b *accounts) Calls() []status.Call {
	return []status.Call{{State: status.CallConnected}, {State: status.CallConnected}}
}
func (b *accounts) Licenses() status.Licenses {
	return status.Licenses{Pools: []status.Pool{{Name: "sip-sessions", Total: 4, Alloc: 2}}}
}
func (b *accounts) Registrations() []status.Registration {
	return []status.Registration{{Gateway: "lan", Identity: "user.01", AOR: "sip:user.01@pbx", State: status.Registered}, {Gateway: "wan", Identity: "user.01", AOR: "sip:user.01@pbx"}}
}
func (b *accounts) Web() status.Web               { return status.Web{} }
func (b *accounts) Peers() []status.Peer          { return nil }
func (b *accounts) Gateways() []status.Gateway    { return nil }
func (b *accounts) Clock() status.Clock           { return status.Clock{Synced: true} }
func (b *accounts) Ports() []status.Port          { return nil }
func (b *accounts) Fleet() status.Fleet           { return status.Fleet{} }
func (b *accounts) Redundancy() status.Redundancy { return status.Redundancy{} }
func (b *accounts) Presence() status.Presence     { return status.Presence{} }
func (b *accounts) PKI() []status.Key             { return nil }
func (b *accounts) TrafficTotals() status.TrafficTotals {
	return status.TrafficTotals{}
}
func (b *accounts) Alarms() []health.Alarm {
	list := []health.Alarm{{Severity: health.Warning, Text: "a warning"}}
	for _, text := range b.failing {
		list = append(list, health.Alarm{Severity: health.Error, Text: text})
	}
	return list
}
func (b *accounts) AlarmCounts() []health.Count {
	return []health.Count{{ID: "link-down", Severity: health.Error, N: 1}}
}

func hash(t *testing.T, password string) config.Secret {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return config.Secret(h)
}

func TestLogin(t *testing.T) {
	set := config.New()
	set.Accounts = []*config.Account{
		{Class: config.Administrator, Name: "admin", Password: hash(t, "right")},
		{Class: config.Operator, Name: "open"},
	}
	set.PublicKeys = []*config.PublicKey{
		{Account: "admin", Key: base64.StdEncoding.EncodeToString([]byte("a key"))},
		{Account: "gone", Key: base64.StdEncoding.EncodeToString([]byte("its key"))},
	}
	for _, c := range []struct {
		name string
		cfg  *config.Config
		r    wire.LoginRequest
		ok   bool
	}{
		{"the factory state at the box", config.New(), wire.LoginRequest{TTY: "serial"}, true},
		{"the factory state over the network", config.New(), wire.LoginRequest{Remote: true}, false},
		{"no account at the box", set, wire.LoginRequest{TTY: "serial"}, false},
		{"the right password", set, wire.LoginRequest{User: "admin", Password: "right", Remote: true}, true},
		{"a wrong password", set, wire.LoginRequest{User: "admin", Password: "wrong", Remote: true}, false},
		{"an empty password", set, wire.LoginRequest{User: "admin", Remote: true}, false},
		{"an unknown account", set, wire.LoginRequest{User: "nobody", Password: "right"}, false},
		{"an account without a password at the box has to choose one", set, wire.LoginRequest{User: "open"}, false},
		{"a public key", set, wire.LoginRequest{User: "admin", PublicKey: []byte("a key"), Remote: true}, true},
		{"another account's public key", set, wire.LoginRequest{User: "open", PublicKey: []byte("a key"), Remote: true}, false},
		{"a deleted account's public key", set, wire.LoginRequest{User: "gone", PublicKey: []byte("its key"), Remote: true}, false},
		{"the same over the network", set, wire.LoginRequest{User: "open", Remote: true}, false},
		{"the same with some password", set, wire.LoginRequest{User: "open", Password: "x"}, false},
	} {
		r := NewBackend(lang.New(), &accounts{cfg: c.cfg}).Login(t.Context(), c.r)
		if r.OK != c.ok || r.OK && r.User != c.r.User {
			t.Errorf("%s: %+v, want %v", c.name, r, c.ok)
		}
	}
}

// What fails on the box is said to those who are in, and to nobody else.
func TestALoginSaysWhatFails(t *testing.T) {
	cfg := config.New()
	cfg.Banner = "Only for staff."
	cfg.Accounts = []*config.Account{{Class: config.Administrator, Name: "admin", Password: hash(t, "right")}}
	b := NewBackend(lang.New(), &accounts{cfg: cfg, failing: []string{"the box started with startup-config.1"}})
	for _, c := range []struct {
		r    wire.LoginRequest
		says bool
	}{
		{wire.LoginRequest{User: "admin", Password: "right", Remote: true}, true},
		{wire.LoginRequest{User: "admin", Password: "wrong", Remote: true}, false},
		{wire.LoginRequest{Remote: true}, false},
		{wire.LoginRequest{TTY: "serial"}, false},
	} {
		if r := b.Login(t.Context(), c.r); strings.Contains(r.Banner, "% the box started with startup-config.1") != c.says {
			t.Errorf("%+v: %q", c.r, r.Banner)
		}
	}
}

// standby is one of a pair.
type standby struct{ accounts }

func (*standby) Redundancy() status.Redundancy {
	return status.Redundancy{State: status.PairStandby, Other: status.PairOther{Box: 1, Role: "active", Linked: true}, Ports: []status.PairPort{{Virtual: []string{"192.168.1.1/24"}}}}
}

func TestALoginAtAStandbySaysSo(t *testing.T) {
	cfg := config.New()
	cfg.Redundancy = &config.Redundancy{Enabled: true}
	cfg.Accounts = []*config.Account{{Class: config.Administrator, Name: "admin", Password: hash(t, "right")}}
	r := NewBackend(lang.New(), &standby{accounts{cfg: cfg}}).Login(t.Context(), wire.LoginRequest{User: "admin", Password: "right", Remote: true})
	if r.Banner != "% this box is the standby of its pair, and copies what the active box has: enter changes there, at 192.168.1.1" {
		t.Errorf("%q", r.Banner)
	}
}

// A greeting of hundreds of failed registrations would hide the prompt.
func TestAGreetingHasABound(t *testing.T) {
	cfg := config.New()
	cfg.Accounts = []*config.Account{{Class: config.Administrator, Name: "admin", Password: hash(t, "right")}}
	b := NewBackend(lang.New(), &accounts{cfg: cfg, failing: slices.Repeat([]string{"user.01 is not registered"}, greeted+3)})
	r := b.Login(t.Context(), wire.LoginRequest{User: "admin", Password: "right", Remote: true})
	if strings.Count(r.Banner, "user.01") != greeted || !strings.HasSuffix(r.Banner, "\n% 3 more alarms: show alarms") || strings.Contains(r.Banner, "a warning") {
		t.Errorf("%s", r.Banner)
	}
}

// choosing is a box whose configuration can be changed, and saved.
type choosing struct {
	accounts
	startup string
}

func (b *choosing) ReadFile(name string) ([]byte, error) {
	switch {
	case name == "factory-config":
		return []byte("sntp-client\n"), nil
	case b.startup == "":
		return nil, fs.ErrNotExist
	}
	return []byte(b.startup), nil
}

func (b *choosing) WriteFile(name string, text []byte) error {
	b.startup = string(text)
	return nil
}

func (b *choosing) Mutate(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
	cfg, err := change(b.cfg)
	b.cfg = cfg
	return err
}

func TestANewPasswordIsChosen(t *testing.T) {
	cfg := config.New()
	cfg.Accounts = []*config.Account{{Class: config.Operator, Name: "anna b", Password: hash(t, "start"), Change: true}}
	box := &choosing{accounts: accounts{cfg: cfg}}
	b := NewBackend(lang.New(), box)
	login := func(password, chosen string) wire.LoginReply {
		return b.Login(t.Context(), wire.LoginRequest{User: "anna b", Password: password, NewPassword: chosen, Remote: true})
	}
	if r := login("start", ""); r.OK || !r.Change {
		t.Errorf("without a new password: %+v", r)
	}
	if r := login("wrong", "a new password"); r.OK || r.Change {
		t.Errorf("with a wrong password: %+v", r)
	}
	for _, bad := range []string{"short", "start", "with\nnewline"} {
		if r := login("start", bad); r.OK || !r.Change || r.Banner == "" {
			t.Errorf("%q: %+v", bad, r)
		}
	}
	const chosen = `"quo ted\ encrypted`
	if r := login("start", chosen); !r.OK {
		t.Fatalf("%+v", r)
	}
	if r := login("start", ""); r.OK || r.Change {
		t.Errorf("the old password still works: %+v", r)
	}
	if r := login(chosen, ""); !r.OK || r.Change {
		t.Errorf("the new password: %+v", r)
	}
	if a := box.cfg.Accounts[0]; a.Class != config.Operator || a.Change || len(box.cfg.Accounts) != 1 {
		t.Errorf("%+v", a)
	}
}

// A password that was chosen at a login is kept where that changes nothing else.
func TestAChosenPasswordIsSaved(t *testing.T) {
	for name, c := range map[string]struct {
		startup, want string // HASH stands for the new one
		saved         bool
	}{
		"nothing is saved yet: the factory settings and the account": {"", "sntp-client\nadministrator anna password HASH encrypted\n", true},
		"the account is there":     {"system hostname old\nadministrator anna password start change\n", "system hostname old\nadministrator anna password HASH encrypted\n", true},
		"the account is not there": {"system hostname old\n", "system hostname old\n", false},
		"lines that would be lost": {"administrator anna password start\nfrom the future\n", "administrator anna password start\nfrom the future\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.New()
			cfg.Hostname = "unsaved"
			cfg.Accounts = []*config.Account{{Class: config.Administrator, Name: "anna", Password: hash(t, "start"), Change: true}}
			box := &choosing{accounts: accounts{cfg: cfg}, startup: c.startup}
			r := NewBackend(lang.New(), box).Login(t.Context(), wire.LoginRequest{User: "anna", Password: "start", NewPassword: "a good one", Remote: true})
			if !r.OK || (r.Banner == command.PasswordChanged(true)) != c.saved {
				t.Errorf("%+v", r)
			}
			if got := strings.ReplaceAll(box.startup, string(box.cfg.Accounts[0].Password), "HASH"); got != c.want {
				t.Errorf("startup-config:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestSessionOfADeletedAccountEnds(t *testing.T) {
	b := NewBackend(lang.New(), &accounts{cfg: config.New()})
	var out bytes.Buffer
	r := b.Exec(context.Background(), &Session{User: "gone"}, "enable", nil, &out)
	if !r.Exit || !strings.Contains(out.String(), `"gone" does not exist`) {
		t.Errorf("%+v %q", r, out.String())
	}
}

func TestMetrics(t *testing.T) {
	var out bytes.Buffer
	if err := NewBackend(lang.New(), &accounts{cfg: config.New()}).Metrics(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`viaduct_info{release="1.0 \"x\"",commit="0123",board="",serial=""} 1`, `viaduct_calls{state="connected"} 2`, `viaduct_calls{state="held"} 0`,
		`viaduct_licenses_in_use{pool="sip-sessions"} 2`, `viaduct_clock_synced 1`,
		`viaduct_registered{gateway="lan",identity="user.01",aor="sip:user.01@pbx",registrar=""} 1`,
		`viaduct_registered{gateway="wan",identity="user.01",aor="sip:user.01@pbx",registrar=""} 0`,
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, out.String())
		}
	}
}

func TestLoginsLeaveATrail(t *testing.T) {
	box := &accounts{cfg: &config.Config{Accounts: []*config.Account{{Name: "anna", Class: config.Administrator, Password: hash(t, "good night")}}}}
	b := NewBackend(lang.New(), box)
	const at = "ssh 192.0.2.7"
	for _, r := range []wire.LoginRequest{
		{TTY: at}, // asks whether a password is needed
		{User: "anna", Password: "bad night", TTY: at},
		{User: "good night", Password: "anna", TTY: at},
		{User: "anna", PublicKey: []byte("any"), TTY: at},
		{User: "anna", Password: "good night", TTY: at},
	} {
		b.Login(t.Context(), r)
	}
	for _, tty := range []string{"ssh 192.0.2.7:50022", "ssh 192.0.2.7:50022", "ssh 192.0.2.7:50023", ""} {
		b.Exec(t.Context(), &Session{User: "anna", TTY: tty}, "help", nil, io.Discard)
	}
	got := ""
	for _, e := range box.trail {
		got += fmt.Sprintf("%s %s at %s: %s\n", e.What, e.Account, e.From, e.Line)
	}
	const want = "refused anna at ssh 192.0.2.7: wrong password\nrefused  at ssh 192.0.2.7: there is no such account\nlogin anna at ssh 192.0.2.7: \n" +
		"session begins anna at ssh 192.0.2.7:50022: \nsession begins anna at ssh 192.0.2.7:50023: \n"
	if got != want {
		t.Errorf("%swant\n%s", got, want)
	}
}

func TestTerminalsThatWereMetAreBounded(t *testing.T) {
	var v visitors
	for n := range 3 * maxVisitors {
		if tty := fmt.Sprint(n); !v.first(tty) || v.first(tty) {
			t.Errorf("%s is not met once", tty)
		}
	}
	if v.forget("700"); len(v.list) != maxVisitors-1 || !v.first("700") {
		t.Errorf("%d are remembered", len(v.list))
	}
}
