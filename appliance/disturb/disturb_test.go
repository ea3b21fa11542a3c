package disturb_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/route"
)

// refusing are the codes with which calls for identities are refused.
type refusing map[string]int

func (r refusing) Refuse(identity string) (int, string) { return r[identity], "busy in Teams" }

// guide is the configuration that integrators paste, where user.01 to user.03 are +497123222 to 224, with a presence-service.
func guide(t testing.TB, more string) *config.Config {
	t.Helper()
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := lang.New().Parse([]byte(string(text) + "\n" + more))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatal(p)
		}
	}
	return cfg
}

const (
	service = "presence-service TEAMS\nexit\n"
	pbx     = "if_sip_starface"
	teams   = "if_sip_microsoft-directrouting-primary"
)

func iface(name string) config.InterfaceID { return config.InterfaceID{Context: "SWITCH", Name: name} }

// asks is a call by an interface to another one, with what was called as the caller's side has it and as routing has made it.
func asks(cfg *config.Config, from, to, number, uri, mapped string) (disturb.Asked, *route.Attempt) {
	_, i := iface(from).In(cfg)
	c := route.Call{CalledE164: number, CalledURI: uri, CallingE164: "+4989123456"}
	a := &route.Attempt{Interface: iface(to), Call: c}
	a.Call.CalledE164 = mapped
	return disturb.Asked{From: i, Call: &c}, a
}

func TestWhom(t *testing.T) {
	cfg := guide(t, service+"location-service ls_starface\nidentity 21 inherits teams\nexit\nexit\n")
	for name, c := range map[string]struct {
		from, to, number, uri, mapped string
		want                          disturb.User
	}{
		"the contact of a registration":              {pbx, teams, "user.01", "sip:user.01@192.168.1.1", "+497123222", disturb.User{Identity: "user.01", Number: "+497123222"}},
		"an identity of digits":                      {pbx, teams, "21", "sip:21@192.168.1.1", "+4971234567890", disturb.User{Identity: "21", Number: "+4971234567890"}},
		"a number":                                   {pbx, teams, "+497123223", "sip:+497123223@192.168.1.1", "+497123223", disturb.User{Identity: "user.02", Number: "+497123223"}},
		"a number of nobody":                         {pbx, teams, "+491", "sip:+491@192.168.1.1", "+491", disturb.User{Number: "+491"}},
		"To says another one, which routing goes by": {pbx, teams, "user.01", "sip:user.03@192.168.1.1", "+497123224", disturb.User{Identity: "user.03", Number: "+497123224"}},
		"To says nothing, and no table knows":        {pbx, teams, "user.01", "sip:x@192.168.1.1", "+491", disturb.User{Identity: "user.01", Number: "+491"}},
		"a stranger":                                 {pbx, teams, "user.09", "sip:user.09@192.168.1.1", "user.09", disturb.User{Number: "user.09"}},
		"from Teams":                                 {teams, teams, "user.01", "sip:user.01@192.168.1.1", "+497123222", disturb.User{}},
		"to the PBX":                                 {pbx, pbx, "user.01", "sip:user.01@192.168.1.1", "+497123222", disturb.User{}},
		"by no interface":                            {"", teams, "user.01", "sip:user.01@192.168.1.1", "+497123222", disturb.User{}},
	} {
		g := disturb.New(refusing{"user.01": 486})
		for range 2 { // the second time it is known
			q, a := asks(cfg, c.from, c.to, c.number, c.uri, c.mapped)
			if got := g.Whom(cfg, q, a); got != c.want {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
			}
		}
	}
	q, a := asks(cfg, pbx, teams, "user.01", "sip:user.01@192.168.1.1", "+497123222")
	if got := disturb.New(nil).Whom(cfg, q, a); got != (disturb.User{}) {
		t.Errorf("without presence: %+v", got)
	}
	without := guide(t, "")
	q, a = asks(without, pbx, teams, "user.01", "sip:user.01@192.168.1.1", "+497123222")
	if got := disturb.New(refusing{}).Whom(without, q, a); got != (disturb.User{}) {
		t.Errorf("without presence-service: %+v", got)
	}
}

// What was known of a number is so no more when the tables say otherwise.
func TestNumbersFollowTheConfiguration(t *testing.T) {
	g := disturb.New(refusing{})
	for identity, more := range map[string]string{"user.02": "", "user.03": "context cs SWITCH\nmapping-table calling-e164 to calling-uri mt_teams2starface-a-uri\nno map \\+497123223\nmap \\+497123223 to sip:user.03@192.168.1.100\n"} {
		cfg := guide(t, service+more)
		q, a := asks(cfg, pbx, teams, "+497123223", "sip:+497123223@192.168.1.1", "+497123223")
		if got := g.Whom(cfg, q, a); got.Identity != identity {
			t.Errorf("%+v, want %s", got, identity)
		}
	}
}

func TestWhoCalledForHelpIsRung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := disturb.New(refusing{"user.01": 486, "user.02": 603})
		refused := func(u disturb.User, want int) {
			t.Helper()
			if code, why := g.Refuses(u); code != want || code != 0 && why != "busy in Teams" {
				t.Errorf("%+v: %d %q, want %d", u, code, why, want)
			}
		}
		anna, ben := disturb.User{Identity: "user.01", Number: "+491"}, disturb.User{Identity: "user.02", Number: "+492"}
		refused(anna, 486)
		refused(disturb.User{Number: "+491"}, 0)
		g.Rescues(disturb.User{Number: "+491"}) // whose account is not known
		g.Rescues(disturb.User{})
		refused(anna, 0)
		refused(ben, 603)
		time.Sleep(disturb.Rescue - time.Second)
		refused(anna, 0)
		g.Rescues(disturb.User{Identity: "user.02"})
		time.Sleep(time.Second)
		refused(anna, 486)
		refused(ben, 0)
		// Many callers push out the oldest, never the newest.
		for n := range 5000 {
			time.Sleep(time.Millisecond)
			g.Rescues(disturb.User{Identity: fmt.Sprint(n), Number: fmt.Sprint("+", n)})
		}
		refused(ben, 603)
		g.Rescues(ben)
		refused(ben, 0)
	})
}

func TestCarries(t *testing.T) {
	g := disturb.New(nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 100 {
				g.Carry("", "user.01")
				if !g.Carries("user.01") {
					t.Error("a call is not known")
				}
				g.Carry("user.01", "user.02")
				g.Carry("user.02", "user.02")
				g.Carry("user.02", "")
				g.Carry("", "")
			}
		})
	}
	wg.Wait()
	for _, identity := range []string{"", "user.01", "user.02"} {
		if g.Carries(identity) {
			t.Errorf("a call of %q is left", identity)
		}
	}
}

// What a call costs: without a presence-service, and with one.
func BenchmarkAsk(b *testing.B) {
	without, with := guide(b, ""), guide(b, service)
	for _, x := range []struct {
		name, called, mapped string
		cfg                  *config.Config
	}{
		{"no service", "user.01", "+497123222", without},
		{"identity", "user.01", "+497123222", with},
		{"number", "+497123222", "+497123222", with},
		{"number of nobody", "+4930555", "+4930555", with},
	} {
		g := disturb.New(refusing{"user.02": 486})
		q, a := asks(x.cfg, pbx, teams, x.called, "sip:"+x.called+"@192.168.1.1", x.mapped)
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.Refuses(g.Whom(x.cfg, q, a))
			}
		})
	}
}
