package route

import (
	"errors"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// withPhones gives the interfaces the phones of LS, and makes services of them.
func withPhones(list ...string) func(*config.Switch) {
	return func(sw *config.Switch) {
		ls := config.Ref[config.Config, config.LocationService]{Name: "LS"}
		for _, i := range sw.Interfaces {
			for _, name := range list {
				if i.Name == name {
					i.Phones = ls
				}
			}
		}
		sw.PhoneServices = []*config.PhoneService{{Name: "phones", Location: ls, Timeout: 20 * time.Second}, {Name: "empty"}}
	}
}

func TestPhonesAreReachedByEachInterfaceThatHasThem(t *testing.T) {
	for _, x := range []struct {
		why  string
		cfg  *config.Config
		want string
		line string // of the trace
	}{
		{"one interface", box(toService("phones"), withPhones("b")), "b", "service phones: bind location-service LS => dest-interface b"},
		{"two", box(toService("phones"), withPhones("a", "c")), "a c", "service phones: bind location-service LS => dest-interface c"},
		{"in a hunt group", box(toService("hg"), withPhones("b"), withHunts(hunt("hg", nil, 0, toInterface("a"), toService("phones")))), "a b", "service hg: route call 2 => dest-service phones"},
		{"a hunt group is found first", box(toService("phones"), withPhones("b"), withHunts(hunt("phones", nil, 0, toInterface("a")))), "a", "service phones: route call 1 => dest-interface a"},
	} {
		p, err := New(x.cfg, from("in"), Call{CalledE164: "21"})
		if err != nil || interfaces(p) != x.want || !strings.Contains(lines(p), x.line+"\n") {
			t.Errorf("%s: %s %v\n%s", x.why, interfaces(p), err, lines(p))
		}
		for _, a := range p.Attempts {
			i := config.Ref[config.Switch, config.SIPInterface]{Name: a.Interface.Name}.In(x.cfg.CS[0])
			if (a.Phones != nil) == i.Phones.IsZero() {
				t.Errorf("%s: %s has the service %v", x.why, a.Interface, a.Phones)
			}
		}
	}
}

// A phone that refuses is the answer of the service. Only where nobody was asked does the next interface of the phones have its turn, and
// then the next destination of the hunt group, whatever its causes are.
func TestWhereNoPhoneIsTheCallGoesOn(t *testing.T) {
	p, err := New(box(toService("hg"), withPhones("b", "c"), withHunts(hunt("hg", []config.Cause{}, 0, toService("phones"), toInterface("d")))), from("in"), Call{CalledE164: "21"})
	if err != nil || interfaces(p) != "b c d" {
		t.Fatal(interfaces(p), err)
	}
	if n, ok := p.Next(0, 17); ok {
		t.Errorf("a busy phone is followed by attempt %d", n)
	}
	for n := range 2 {
		if next, ok := p.Next(n, NoAnswer); !ok || next != n+1 {
			t.Errorf("attempt %d without phones is followed by %d %t", n, next, ok)
		}
	}
}

func TestServicesWithoutPhonesAreRejected(t *testing.T) {
	for service, want := range map[string]string{
		"phones": "service phones: no interface sip has `use location-service LS`",
		"empty":  "service empty: has no `bind location-service`",
	} {
		p, err := New(box(toService(service), withPhones()), from("in"), Call{CalledE164: "21"})
		var e *Error
		if !errors.As(err, &e) || SIPFromCause(e.Cause) != 404 || e.Text != want {
			t.Errorf("%s: %v\n%s", service, err, lines(p))
		}
	}
}

// A detour takes the place of `route call`, and of nothing else.
func TestADetourTakesThePlaceOfTheRoute(t *testing.T) {
	cfg := box(toInterface("a"), withMaps(mapping(t, "m", config.CalledE164, config.CalledE164, "1", "2")))
	in := cfg.CS[0].Interfaces[0]
	in.MappingIn.Name = "m"
	p, err := Around(cfg, from("in"), Call{CalledE164: "1"}, Detour{Survival: "PBX", Dest: toInterface("b")})
	if err != nil || interfaces(p) != "b" || p.Attempts[0].Call.CalledE164 != "2" || !strings.Contains(lines(p), "survival PBX: route from in => dest-interface b\n") {
		t.Errorf("%v\n%s", err, lines(p))
	}
	in.Route = config.Dest{}
	if p, err := Around(cfg, from("in"), Call{CalledE164: "1"}, Detour{Survival: "PBX", Dest: toInterface("b")}); err != nil || interfaces(p) != "b" {
		t.Errorf("without a route: %v", err)
	}
	if p, err := Around(cfg, from("in"), Call{CalledE164: "1"}, Detour{}); err == nil {
		t.Errorf("without either: %s", interfaces(p))
	}
}

// An emergency call reaches its usual destinations, too, when a detour leads nowhere, or fails.
func TestADetourLosesNoEmergencyCall(t *testing.T) {
	for _, x := range []struct {
		called string
		way    config.Dest
		want   string
	}{
		{"112", toInterface("b"), "b a"},
		{"0112", toInterface("b"), "b a"}, // the usual table makes it one
		{"112", toService("phones"), "c a"},
		{"112", toService("empty"), "a"},
		{"21", toInterface("b"), "b"},
		{"21", toService("empty"), ""},
	} {
		cfg := box(toService("hg"), withPhones("c"), withHunts(hunt("hg", nil, 0, toInterface("a"))), withMaps(mapping(t, "m", config.CalledE164, config.CalledE164, "0(112)", "\\1")))
		cfg.CS[0].Emergency = []string{"112"}
		cfg.CS[0].Interfaces[1].MappingOut.Name = "m"
		p, err := Around(cfg, from("in"), Call{CalledE164: x.called}, Detour{Survival: "PBX", Dest: x.way})
		if interfaces(p) != x.want || (err == nil) != (x.want != "") || !strings.Contains(lines(p), "survival PBX: route from in") {
			t.Errorf("%s by %+v: %q %v, want %q\n%s", x.called, x.way, interfaces(p), err, x.want, lines(p))
		}
	}
}
