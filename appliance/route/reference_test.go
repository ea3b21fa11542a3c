package route

import (
	"testing"
	"time"

	"viaduct/appliance/config"
)

func mapping(t testing.TB, name string, in, out config.Property, lines ...string) *config.MappingTable {
	t.Helper()
	m := &config.MappingTable{Name: name, In: in, Out: out}
	for i := 0; i < len(lines); i += 2 {
		m.Maps = append(m.Maps, config.Mapping{Key: key(t, lines[i]), To: lines[i+1]})
	}
	return m
}

func key(t testing.TB, text string) config.Pattern {
	t.Helper()
	k, err := config.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func function(name string, steps ...string) *config.ComplexFunction {
	f := &config.ComplexFunction{Name: name}
	for i, s := range steps {
		f.Steps = append(f.Steps, config.Step{Index: i + 1, Run: config.FunctionRef{Name: s}})
	}
	return f
}

func hunt(name string, causes []config.Cause, timeout time.Duration, dests ...config.Dest) *config.HuntGroup {
	h := &config.HuntGroup{Name: name, Timeout: timeout}
	if h.SetDefaults(); causes != nil {
		h.DropCauses = causes
	}
	for i, d := range dests {
		h.Routes = append(h.Routes, config.HuntRoute{Index: i + 1, Dest: d})
	}
	return h
}

func toTable(name string) config.Dest {
	return config.Dest{Table: config.Ref[config.Switch, config.RoutingTable]{Name: name}}
}
func toInterface(name string) config.Dest {
	return config.Dest{Interface: config.Ref[config.Switch, config.SIPInterface]{Name: name}}
}
func toService(name string) config.Dest {
	return config.Dest{Service: config.ServiceRef{Name: name}}
}
func fallback(d config.Dest, f string) config.Route {
	return config.Route{Default: true, Dest: d, Function: config.FunctionRef{Name: f}}
}

// reference is the routing of the published Teams set-up.
func reference(t testing.TB) *config.Config {
	const hub = "if_sip_microsoft-directrouting-"
	teams := func(name string) *config.SIPInterface {
		return &config.SIPInterface{Name: hub + name, Route: toTable("rt_from_teams")}
	}
	sw := &config.Switch{
		Name: "SWITCH", Enabled: true,
		MappingTables: []*config.MappingTable{
			mapping(t, "mt_teams2starface-a-e164", config.CallingURI, config.CallingE164, `sip:(.*)`, `\1`, `tel:(.*)`, `\1`),
			mapping(t, "mt_teams2starface-a-uri", config.CallingE164, config.CallingURI,
				`\+497123222`, `sip:user.01@192.168.1.100`, `\+497123223`, `sip:user.02@192.168.1.100`, `\+497123224`, `sip:user.03@192.168.1.100`),
			mapping(t, "mt_teams2starface-b-internalCalls", config.CalledE164, config.CalledE164, `(00)?49(...)?$`, `\2`),
			mapping(t, "mt_starface2teams-b-e164", config.CalledURI, config.CalledE164, `sip:(.+)@(.+)`, `+4971234567890`,
				`sip:user.01@.+`, `+497123222`, `sip:user.02@.+`, `+497123223`, `sip:user.03@.+`, `+497123224`),
		},
		Functions: []*config.ComplexFunction{
			function("cf_teams2starface", "mt_teams2starface-a-e164", "mt_teams2starface-a-uri", "mt_teams2starface-b-internalCalls"),
			function("cf_starface2teams", "mt_starface2teams-b-e164"),
		},
		RoutingTables: []*config.RoutingTable{
			{Key: config.CalledE164, Name: "rt_from_teams", Routes: []config.Route{fallback(toInterface("if_sip_starface"), "cf_teams2starface")}},
			{Key: config.CalledE164, Name: "rt_from_starface", Routes: []config.Route{fallback(toService("hg_microsoft-directrouting"), "cf_starface2teams")}},
		},
		Interfaces: []*config.SIPInterface{teams("primary"), teams("secondary"), teams("tertiary"), {Name: "if_sip_starface", Route: toTable("rt_from_starface")}},
		HuntGroups: []*config.HuntGroup{hunt("hg_microsoft-directrouting", append([]config.Cause{"normal-unspecified"}, config.DefaultDropCauses...), 3*time.Second,
			toInterface(hub+"primary"), toInterface(hub+"secondary"), toInterface(hub+"tertiary"))},
	}
	return &config.Config{CS: []*config.Switch{sw}}
}

func TestTeamsCallsThePBX(t *testing.T) {
	cfg := reference(t)
	for _, c := range []struct{ why, from, called, wantCalled, wantCalling string }{
		{"a user calls out", "+497123222", "+4930123456", "+4930123456", "sip:user.01@192.168.1.100"},
		{"another user calls out", "+497123224", "+4930123456", "+4930123456", "sip:user.03@192.168.1.100"},
		{"a user calls an extension", "+497123222", "+49222", "222", "sip:user.01@192.168.1.100"},
		{"an extension with 00", "+497123222", "0049222", "222", "sip:user.01@192.168.1.100"},
		{"an empty called number is never written", "+497123222", "+49", "+49", "sip:user.01@192.168.1.100"},
		{"a user without an account", "+4940999", "+4930123456", "+4930123456", "+4940999"},
	} {
		p, err := New(cfg, from("if_sip_microsoft-directrouting-secondary"), Call{
			CalledE164: c.called, CalledURI: "sip:" + c.called + "@sbc.meinefirma.de;user=phone",
			CallingE164: c.from, CallingURI: "sip:" + c.from + "@sip.pstnhub.microsoft.com:5061;user=phone",
		})
		if err != nil || len(p.Attempts) != 1 || p.Attempts[0].Interface.String() != "if_sip_starface" {
			t.Fatalf("%s: %+v, %v", c.why, p, err)
		}
		a := &p.Attempts[0]
		if got := a.Call.Get(a.Called()); got != c.wantCalled {
			t.Errorf("%s: called %q, want %q", c.why, got, c.wantCalled)
		}
		if got := a.Call.Get(a.Calling()); got != c.wantCalling {
			t.Errorf("%s: calling %q, want %q", c.why, got, c.wantCalling)
		}
		if a.Call.CallingE164 != c.from {
			t.Errorf("%s: calling-e164 %q", c.why, a.Call.CallingE164)
		}
	}
}

func TestThePBXCallsTeams(t *testing.T) {
	cfg := reference(t)
	for _, c := range []struct{ why, uri, want string }{
		{"a registered contact", "sip:user.01@192.168.1.1", "+497123222"},
		{"with port and parameters", "sip:user.03@192.168.1.1:5060;transport=udp", "+497123224"},
		{"the catch-all stands first and matches last", "sip:somebody@192.168.1.1", "+4971234567890"},
	} {
		p, err := New(cfg, from("if_sip_starface"), Call{CalledURI: c.uri, CalledE164: "user.01", CallingE164: "030123456", CallingURI: "sip:030123456@starface.meinefirma.de"})
		if err != nil || len(p.Attempts) != 3 || p.Attempts[0].Timeout != 3*time.Second {
			t.Fatalf("%s: %+v, %v", c.why, p, err)
		}
		for i, name := range []string{"primary", "secondary", "tertiary"} {
			a := &p.Attempts[i]
			if a.Interface.String() != "if_sip_microsoft-directrouting-"+name || a.Call.Get(a.Called()) != c.want || a.Call.Get(a.Calling()) != "030123456" || a.Timeout != 3*time.Second {
				t.Errorf("%s: attempt %d: %+v", c.why, i, a)
			}
		}
		if !goesOn(p, 41) || !goesOn(p, 31) || goesOn(p, 17) || goesOn(p, 18) || !goesOn(p, NoAnswer) {
			t.Errorf("%s: hunts on the wrong causes", c.why)
		}
	}
}

func TestTheTraceReads(t *testing.T) {
	p, err := New(reference(t), from("if_sip_starface"), Call{CalledURI: "sip:user.01@192.168.1.1", CallingE164: "030123456"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`interface if_sip_starface: route call => dest-table rt_from_starface`,
		`routing-table rt_from_starface: called-e164 "": route default => dest-service hg_microsoft-directrouting`,
		`routing-table rt_from_starface: route default: runs complex-function cf_starface2teams`,
		`mapping-table mt_starface2teams-b-e164: called-uri "sip:user.01@192.168.1.1": map sip:user.01@.+ to +497123222 => called-e164 "+497123222"`,
		`service hg_microsoft-directrouting: route call 1 => dest-interface if_sip_microsoft-directrouting-primary`,
		`interface if_sip_microsoft-directrouting-primary: calls called-e164 "+497123222" for calling-e164 "030123456"`,
	}
	for i, line := range want {
		if i >= len(p.Trace) || p.Trace[i].String() != line {
			t.Errorf("line %d:\n got %v\nwant %s", i, p.Trace[min(i, len(p.Trace)-1)], line)
		}
	}
	if len(p.Trace) != 10 {
		t.Errorf("%d lines", len(p.Trace))
	}
}

func BenchmarkPlan(b *testing.B) {
	cfg := reference(b)
	for _, c := range []struct {
		name, from string
		call       Call
	}{
		{"TeamsToPBX", "if_sip_microsoft-directrouting-primary", Call{CalledE164: "+4930123456", CallingE164: "+497123222", CallingURI: "sip:+497123222@sip.pstnhub.microsoft.com"}},
		{"PBXToTeams", "if_sip_starface", Call{CalledURI: "sip:user.01@192.168.1.1", CallingE164: "030123456"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(cfg, from(c.from), c.call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func goesOn(p *Plan, cause int) bool {
	_, ok := p.Next(0, cause)
	return ok
}
