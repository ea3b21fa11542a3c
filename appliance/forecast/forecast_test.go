package forecast_test

import (
	"net/netip"
	"os"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/forecast"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/route"
)

// undisturbed are the identities whose calls are refused with 486.
type undisturbed map[string]bool

func (u undisturbed) Refuse(identity string) (int, string) {
	if u[identity] {
		return 486, "the called user is presenting in Teams"
	}
	return 0, ""
}

// A call is foreseen to be refused exactly where it would be, see call/testdata/scenarios/presence-hunt.sip.
func TestUsersWhoDoNotWantToBeRung(t *testing.T) {
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	const group = "service hunt-group hg_microsoft-directrouting\nroute call 4 dest-interface if_sip_starface\n"
	for name, c := range map[string]struct {
		lines, called string
		code, first   int // that the call is refused with; or which destination is the first to be called
	}{
		"who does not": {"", "user.01", 486, 0},
		"who does":     {"", "user.02", 0, 0},
		"there is somebody else, who is not tried": {"context cs SWITCH\n" + group, "user.01", 486, 0},
		"there is somebody else":                   {"context cs SWITCH\n" + group + "drop-cause user-busy\n", "user.01", 0, 3},
		"an emergency number":                      {"context cs SWITCH\nemergency-number 497123222\n", "user.01", 0, 0},
	} {
		cfg, problems := lang.New().Parse([]byte(string(text) + "\npresence-service TEAMS\nexit\n" + c.lines))
		for _, p := range problems {
			if p.Severity == check.Error {
				t.Fatal(p)
			}
		}
		from := config.InterfaceID{Context: "SWITCH", Name: "if_sip_starface"}
		asked := route.Call{CalledE164: c.called, CalledURI: "sip:" + c.called + "@192.168.1.1"}
		plan, err := route.New(cfg, from, asked)
		if err != nil {
			t.Fatal(err)
		}
		well := func(config.InterfaceID) string { return "" }
		w := forecast.World{Unavailable: well, Spares: well, Free: func(int, int) error { return nil }, Guard: disturb.New(undisturbed{"user.01": true}),
			Resolved: func(string) []netip.Addr { return nil }}
		f := w.Of(cfg, from, asked, plan)
		if f.Code != c.code || (f.Refused == "the called user is presenting in Teams") != (c.code != 0) {
			t.Errorf("%s: %d %q", name, f.Code, f.Refused)
		}
		for n, a := range f.Attempts {
			if c.code == 0 && (a.Skipped == "") != (n >= c.first) {
				t.Errorf("%s: destination %d: %+v", name, n, a)
			}
		}
	}
}

// Phones are foreseen as they have registered.
func TestPhonesThatWouldRing(t *testing.T) {
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := lang.New().Parse([]byte(string(text) + `
location-service LS
  identity 21
    registration inbound
    authentication inbound
      authenticate none
context cs SWITCH
  interface sip if_phones
    bind context sip-gateway gw_sip_lan_5060
    use location-service LS
    trust 192.168.1.48/28
    route call dest-service PHONES
  service sip-location-service PHONES
    bind location-service LS
`))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatal(p)
		}
	}
	from := config.InterfaceID{Context: "SWITCH", Name: "if_phones"}
	asked := route.Call{CalledE164: "21"}
	plan, err := route.New(cfg, from, asked)
	if err != nil {
		t.Fatal(err)
	}
	down := func(config.InterfaceID) string { return "does not answer OPTIONS" } // which is asked of no phone
	for _, x := range []struct {
		phones, code int
		why          string
		want         forecast.Forecast
	}{
		{2, 0, "", forecast.Forecast{}},
		{0, 480, "no phone has registered as 21", forecast.Forecast{Code: 480, Refused: "no destination can be called now, if_phones because no phone has registered as 21"}},
	} {
		w := forecast.World{Unavailable: down, Spares: func(config.InterfaceID) string { return "" }, Free: func(int, int) error { return nil }, Guard: disturb.New(nil),
			Resolved: func(string) []netip.Addr { return nil }, Phones: func(*config.SIPInterface, *route.Attempt) (int, int, string) { return x.phones, x.code, x.why }}
		f := w.Of(cfg, from, asked, plan)
		if f.Code != x.want.Code || f.Refused != x.want.Refused || len(f.Attempts) != 1 || f.Attempts[0].Phones != x.phones || f.Attempts[0].Skipped != x.why {
			t.Errorf("%d phones: %+v", x.phones, f)
		}
	}
}
