package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// box has an interface "in" whose calls go to d, interfaces "a" to "d" to go to, and what else the test wants.
func box(d config.Dest, more ...func(*config.Switch)) *config.Config {
	sw := &config.Switch{Name: "SWITCH", Enabled: true, Interfaces: []*config.SIPInterface{{Name: "in", Route: d}}}
	for _, name := range []string{"a", "b", "c", "d"} {
		sw.Interfaces = append(sw.Interfaces, &config.SIPInterface{Name: name})
	}
	for _, f := range more {
		f(sw)
	}
	return &config.Config{CS: []*config.Switch{sw}}
}

func withMaps(list ...*config.MappingTable) func(*config.Switch) {
	return func(sw *config.Switch) { sw.MappingTables = list }
}

func withFunctions(list ...*config.ComplexFunction) func(*config.Switch) {
	return func(sw *config.Switch) { sw.Functions = list }
}

func withTables(list ...*config.RoutingTable) func(*config.Switch) {
	return func(sw *config.Switch) { sw.RoutingTables = list }
}

func withHunts(list ...*config.HuntGroup) func(*config.Switch) {
	return func(sw *config.Switch) { sw.HuntGroups = list }
}

func table(t testing.TB, name string, p config.Property, lines ...any) *config.RoutingTable {
	t.Helper()
	rt := &config.RoutingTable{Name: name, Key: p}
	for i := 0; i < len(lines); i += 2 {
		k, err := config.ParseKey(p, lines[i].(string))
		if err != nil {
			t.Fatal(err)
		}
		rt.Routes = append(rt.Routes, config.Route{Key: k, Dest: lines[i+1].(config.Dest)})
	}
	return rt
}

func interfaces(p *Plan) string {
	var list []string
	for _, a := range p.Attempts {
		list = append(list, a.Interface.Name)
	}
	return strings.Join(list, " ")
}

func lines(p *Plan) string {
	var b strings.Builder
	for _, s := range p.Trace {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

func TestMappingTables(t *testing.T) {
	c := Call{CalledE164: "+4930123", CallingE164: "+497123", CalledURI: "sip:b@h;p=1", CallingURI: "sip:a@h", CalledName: "Bob", CallingPI: "allowed", CallingIP: "192.0.2.1"}
	for _, x := range []struct {
		why  string
		m    *config.MappingTable
		prop config.Property
		want string
	}{
		{"the value replaces the whole property", mapping(t, "m", "called-e164", "called-e164", `\+49`, `0`), "called-e164", "0"},
		{"no match leaves it unchanged", mapping(t, "m", "called-e164", "called-e164", `\+48`, `0`), "called-e164", "+4930123"},
		{"best match, whatever the order", mapping(t, "m", "called-e164", "called-e164", `.*`, `1`, `\+4930`, `2`, `\+49`, `3`), "called-e164", "2"},
		{"the first of equals", mapping(t, "m", "called-e164", "called-e164", `\+49`, `1`, `\+49`, `2`), "called-e164", "1"},
		{"a key without + meets the number without its +", mapping(t, "m", "called-e164", "called-e164", `49(.*)`, `0\1`), "called-e164", "030123"},
		{"a group holds the + where the number as it stands matches", mapping(t, "m", "called-e164", "called-e164", `(.*)`, `\1`), "called-e164", "+4930123"},
		{"only numbers lose their +", mapping(t, "m", "called-name", "called-name", `ob`, `x`), "called-name", "Bob"},
		{"a number ends at its host", mapping(t, "m", "called-uri", "called-e164", `sip:(.*)`, `\1`), "called-e164", "b"},
		{"a uri keeps its host and parameters", mapping(t, "m", "called-uri", "calling-uri", `sip:(.*)`, `sip:\1`), "calling-uri", "sip:b@h;p=1"},
		{"both parties, called", mapping(t, "m", "e164", "e164", `\+49(.*)`, `0\1`), "called-e164", "030123"},
		{"both parties, calling", mapping(t, "m", "e164", "e164", `\+49(.*)`, `0\1`), "calling-e164", "07123"},
		{"both parties, from uri to number", mapping(t, "m", "uri", "e164", `sip:(.*)`, `\1`), "calling-e164", "a"},
		{"one party where the other side is named", mapping(t, "m", "uri", "calling-name", `sip:(.)`, `\1`), "calling-name", "a"},
		{"from pi", mapping(t, "m", "calling-pi", "calling-pi", `allowed`, `restricted`), "calling-pi", "restricted"},
		{"from ip", mapping(t, "m", "calling-ip", "calling-name", `192\.0\.2\.`, `lab`), "calling-name", "lab"},
		{"an empty called number is not written", mapping(t, "m", "called-e164", "called-e164", `\+49`, ``), "called-e164", "+4930123"},
		{"an empty calling number is", mapping(t, "m", "calling-e164", "calling-e164", `\+49`, ``), "calling-e164", ""},
	} {
		rt := &config.RoutingTable{Name: "rt", Key: config.CalledE164, Routes: []config.Route{fallback(toInterface("a"), "m")}}
		p, err := New(box(toTable("rt"), withMaps(x.m), withTables(rt)), from("in"), c)
		if err != nil || len(p.Attempts) != 1 {
			t.Fatalf("%s: %v", x.why, err)
		}
		if got := p.Attempts[0].Call.Get(x.prop); got != x.want {
			t.Errorf("%s: %s is %q, want %q\n%s", x.why, x.prop, got, x.want, lines(p))
		}
	}
}

func TestADefaultMapsWhatNoKeyMatches(t *testing.T) {
	m := mapping(t, "m", config.CalledE164, config.CalledE164, `200`, `4930200`)
	m.Maps = append([]config.Mapping{{Default: true, To: `4930000`}}, m.Maps...)
	both := mapping(t, "both", config.E164, config.E164, `0(.*)`, `49\1`)
	both.Maps = append(both.Maps, config.Mapping{Default: true, To: `+\0`})
	for _, x := range []struct {
		m                                 *config.MappingTable
		called, calling, want, wantCaller string
	}{
		{m, "200", "1", "4930200", "1"}, {m, "201", "1", "4930000", "1"}, {m, "", "1", "4930000", "1"}, {m, "+201", "1", "4930000", "1"},
		{both, "030", "15", "4930", "+15"},
	} {
		rt := &config.RoutingTable{Name: "rt", Key: config.CalledE164, Routes: []config.Route{fallback(toInterface("a"), x.m.Name)}}
		p, err := New(box(toTable("rt"), withMaps(x.m), withTables(rt)), from("in"), Call{CalledE164: x.called, CallingE164: x.calling})
		if err != nil {
			t.Fatal(err)
		}
		if c := p.Attempts[0].Call; c.CalledE164 != x.want || c.CallingE164 != x.wantCaller {
			t.Errorf("%s: %q from %q, want %q from %q\n%s", x.m.Name, c.CalledE164, c.CallingE164, x.want, x.wantCaller, lines(p))
		}
	}
}

func TestACallWithAnEndlessNumberIsRejected(t *testing.T) {
	for _, c := range []Call{{CalledE164: strings.Repeat("1", 65)}, {CallingE164: strings.Repeat("1", 65)}, {CallingURI: strings.Repeat("a", 1025)}, {CalledURI: strings.Repeat("a", 1025)}} {
		var e *Error
		if _, err := New(box(toInterface("a")), from("in"), c); !errors.As(err, &e) || SIPFromCause(e.Cause) != 484 {
			t.Errorf("%v", err)
		}
	}
}

// A number that is cut would be another one. A name is cut, and no call is refused for it: it may be an emergency call.
func TestAnEndlessNameIsCut(t *testing.T) {
	longer := mapping(t, "longer", config.CallingName, config.CallingName, `(.+)`, `\1\1`)
	rt := &config.RoutingTable{Name: "rt", Key: config.CalledE164, Routes: []config.Route{fallback(toInterface("a"), longer.Name)}}
	for _, x := range []struct{ name, want string }{
		{strings.Repeat("a", 1025), strings.Repeat("a", 1024)},
		{strings.Repeat("a", 1023) + "ü", strings.Repeat("a", 1023)},
		{strings.Repeat("a", 1022) + "ü", strings.Repeat("a", 1022) + "ü"},
		{"a" + strings.Repeat("🙂", 256), "a" + strings.Repeat("🙂", 255)},
	} {
		p, err := New(box(toTable("rt"), withMaps(longer), withTables(rt)), from("in"), Call{CalledE164: "112", CallingName: x.name, CalledName: x.name})
		if err != nil {
			t.Fatal(err)
		}
		if c := p.Attempts[0].Call; c.CallingName != x.want || c.CalledName != x.want {
			t.Errorf("%d octets became %d and %d", len(x.name), len(c.CallingName), len(c.CalledName))
		}
	}
}

func TestFunctionsRunInOrder(t *testing.T) {
	add := func(name, digit string) *config.MappingTable {
		return mapping(t, name, config.CalledE164, config.CalledE164, `(.*)`, `\1`+digit)
	}
	outer := function("outer", "m1", "inner", "m1")
	outer.Steps[0], outer.Steps[2] = outer.Steps[2], outer.Steps[0] // lines in another order than their indexes
	rt := &config.RoutingTable{Name: "rt", Key: config.CalledE164, Routes: []config.Route{fallback(toInterface("a"), "outer")}}
	p, err := New(box(toTable("rt"), withMaps(add("m1", "1"), add("m2", "2")), withFunctions(outer, function("inner", "m2", "m2")), withTables(rt)), from("in"), Call{CalledE164: "0"})
	if err != nil || p.Attempts[0].Call.CalledE164 != "01221" {
		t.Errorf("%v\n%s", err, lines(p))
	}
}

func TestInterfacesMapInAndOut(t *testing.T) {
	cfg := box(toService("hg"),
		withMaps(mapping(t, "m-in", config.CalledE164, config.CalledE164, `(.*)`, `1\1`), mapping(t, "m-out", config.CalledE164, config.CalledE164, `(.*)`, `\1;2`, `1(.*)`, `9\1`)),
		withHunts(hunt("hg", nil, 0, toInterface("a"), toInterface("b"))),
		func(sw *config.Switch) {
			sw.Interfaces[0].MappingIn, sw.Interfaces[1].MappingOut = config.Ref[config.Switch, config.MappingTable]{Name: "m-in"}, config.Ref[config.Switch, config.MappingTable]{Name: "m-out"}
		})
	p, err := New(cfg, from("in"), Call{CalledE164: "5"})
	if err != nil || p.Attempts[0].Call.CalledE164 != "95" || p.Attempts[1].Call.CalledE164 != "15" {
		t.Errorf("%v\n%s", err, lines(p))
	}
}

func TestRoutingTables(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a, b := toInterface("a"), toInterface("b")
	for _, x := range []struct {
		why  string
		rt   *config.RoutingTable
		call Call
		want string // "d" is the default
	}{
		{"best match, whatever the order", table(t, "rt", "called-e164", `\+49`, a, `\+4930`, b), Call{CalledE164: "+4930123"}, "b"},
		{"default only when nothing matches", table(t, "rt", "called-e164", `0`, a), Call{CalledE164: "0"}, "a"},
		{"default", table(t, "rt", "called-e164", `0`, a), Call{CalledE164: "1"}, "d"},
		{"key without +", table(t, "rt", "called-e164", `49`, a), Call{CalledE164: "+4930"}, "a"},
		{"calling number", table(t, "rt", "calling-e164", `49`, a), Call{CallingE164: "+4930", CalledE164: "1"}, "a"},
		{"uri", table(t, "rt", "called-uri", `sip:user@.%`, a), Call{CalledURI: "sip:user@host"}, "a"},
		{"name", table(t, "rt", "calling-name", `Emergency`, a), Call{CallingName: "Emergency desk"}, "a"},
		{"ip", table(t, "rt", "calling-ip", `192\.0\.2\.`, a), Call{CallingIP: "192.0.2.7"}, "a"},
		{"pi", table(t, "rt", "calling-pi", `restricted`, a), Call{CallingPI: "restricted"}, "a"},
		{"si", table(t, "rt", "calling-si", `network-provided`, a), Call{CallingSI: "network-provided"}, "a"},
		{"both parties means the called one", table(t, "rt", "e164", `1`, a), Call{CalledE164: "1", CallingE164: "2"}, "a"},
		{"a network", table(t, "rt", "calling-ip", `0.0.0.0/0`, b, `192.0.2.0/24`, a), Call{CallingIP: "192.0.2.7"}, "a"},
		{"an address is no prefix", table(t, "rt", "calling-ip", `192.0.2.7`, a), Call{CallingIP: "192.0.2.70"}, "d"},
		{"a call that says nothing is allowed", table(t, "rt", "calling-pi", `allowed`, a), Call{}, "a"},
		{"and not screened", table(t, "rt", "calling-si", `user-not-screened`, a), Call{}, "a"},
		{"network is the manual's word", table(t, "rt", "calling-si", `network`, a), Call{CallingSI: "network-provided"}, "a"},
		{"any number", table(t, "rt", "called-e164", `T`, a), Call{CalledE164: "4930"}, "a"},
		{"a set after a prefix", table(t, "rt", "called-e164", `1`, a, `1[1-5]`, b), Call{CalledE164: "12"}, "b"},
		{"a property that calls do not have", table(t, "rt", "itc", `speech`, a), Call{}, "d"},
		{"time", table(t, "rt", "time", `08:00-17:00`, a), Call{Time: at("2026-11-23 16:59:59")}, "a"},
		{"time, end not included", table(t, "rt", "time", `08:00-17:00`, a), Call{Time: at("2026-11-23 17:00:00")}, "d"},
		{"time with seconds, end included", table(t, "rt", "time", `08:00:00-16:59:59`, a), Call{Time: at("2026-11-23 16:59:59")}, "a"},
		{"time over midnight", table(t, "rt", "time", `22:00-06:00`, a), Call{Time: at("2026-11-23 05:00:00")}, "a"},
		{"time over midnight, day", table(t, "rt", "time", `22:00-06:00`, a), Call{Time: at("2026-11-23 12:00:00")}, "d"},
		{"time until midnight", table(t, "rt", "time", `22:00-24:00`, a), Call{Time: at("2026-11-23 23:59:59")}, "a"},
		{"the shortest time", table(t, "rt", "time", `00:00-24:00`, a, `12:00-13:00`, b), Call{Time: at("2026-11-23 12:30:00")}, "b"},
		{"day", table(t, "rt", "day-of-week", `mon-fri`, a), Call{Time: at("2026-11-23 12:00:00")}, "a"},
		{"day, no", table(t, "rt", "day-of-week", `mon-fri`, a), Call{Time: at("2026-11-22 12:00:00")}, "d"},
		{"days over the week's end", table(t, "rt", "day-of-week", `Saturday-Monday`, a), Call{Time: at("2026-11-22 12:00:00")}, "a"},
		{"date", table(t, "rt", "date", `24.12.2026-06.01.2027`, a), Call{Time: at("2027-01-06 23:00:00")}, "a"},
		{"date, no", table(t, "rt", "date", `24.12.2026-06.01.2027`, a), Call{Time: at("2027-01-07 00:00:00")}, "d"},
		{"one date", table(t, "rt", "date", `24.12.2026`, a), Call{Time: at("2026-12-24 13:00:00")}, "a"},
	} {
		x.rt.Routes = append([]config.Route{fallback(toInterface("d"), "")}, x.rt.Routes...)
		p, err := New(box(toTable("rt"), withTables(x.rt)), from("in"), x.call)
		if err != nil || interfaces(p) != x.want {
			t.Errorf("%s: %q, want %q (%v)\n%s", x.why, interfaces(p), x.want, err, lines(p))
		}
	}
}

func TestRejections(t *testing.T) {
	self := table(t, "self", config.CalledE164)
	self.Routes = []config.Route{fallback(toTable("other"), "")}
	other := table(t, "other", config.CalledE164)
	other.Routes = []config.Route{fallback(toTable("self"), "")}
	grows := table(t, "grows", config.CalledE164)
	grows.Routes = []config.Route{fallback(toTable("grows"), "m")}
	doubles := table(t, "doubles", config.CalledE164)
	doubles.Routes = []config.Route{fallback(toTable("doubles"), "twice")}
	bad := table(t, "bad", config.CalledE164)
	bad.Routes = []config.Route{fallback(toInterface("a"), "nothing")}
	looping := table(t, "looping", config.CalledE164)
	looping.Routes = []config.Route{fallback(toInterface("a"), "f1")}
	broken := table(t, "broken", config.CalledE164)
	broken.Routes = []config.Route{fallback(toInterface("a"), "f3")}
	parts := []func(*config.Switch){
		withMaps(mapping(t, "m", config.CalledURI, config.CalledURI, `(.*)`, `\1x`), mapping(t, "twice", config.CalledE164, config.CalledE164, `(.+)`, `\1\1`)),
		withFunctions(function("f1", "f2"), function("f2", "m", "f1"), function("f3", "m", "missing")),
		withTables(self, other, grows, doubles, bad, looping, broken, table(t, "none", config.CalledE164, `0`, toInterface("a"))),
		withHunts(hunt("empty", nil, 0), hunt("dead", nil, 0, toTable("none"), toInterface("zz")), hunt("round", nil, 0, toService("round"))),
	}
	for _, x := range []struct {
		why   string
		dest  config.Dest
		cause int
		text  string
	}{
		{"no key and no default", toTable("none"), 3, `routing-table none: no key matches called-e164 "1" and there is no default`},
		{"no route call", config.Dest{}, 3, "interface in has no `route call`: nothing says where its calls go"},
		{"a missing table", toTable("zz"), 3, `interface in: routing-table "zz" does not exist`},
		{"a missing interface", toInterface("zz"), 3, `interface in: interface sip "zz" does not exist`},
		{"a missing service", toService("zz"), 3, `interface in: service "zz" does not exist`},
		{"a missing function", toTable("bad"), 3, `routing-table bad: function "nothing" does not exist`},
		{"a missing step", toTable("broken"), 3, `complex-function f3: function "missing" does not exist`},
		{"tables in a circle", toTable("self"), 25, `routing-table other: dest-table self again: the call would go round for ever`},
		{"a circle in which the number grows", toTable("grows"), 25, `routing-table grows: gave up after 64 tables`},
		{"a number that doubles", toTable("doubles"), 28, `mapping-table twice: map (.+) to \1\1 makes called-e164 longer than 64 characters`},
		{"functions in a circle", toTable("looping"), 25, `complex-function f2: complex-function f1 runs itself`},
		{"an empty service", toService("empty"), 3, "service empty: has no `route call`"},
		{"a service of dead ends", toService("dead"), 3, `routing-table none: no key matches called-e164 "1" and there is no default`},
		{"a service inside itself", toService("round"), 25, `service round: dest-service round again: the call would go round for ever`},
	} {
		p, err := New(box(x.dest, parts...), from("in"), Call{CalledE164: "1"})
		var e *Error
		if !errors.As(err, &e) || e.Cause != x.cause || e.Text != x.text {
			t.Errorf("%s: %v, want cause %d %q", x.why, err, x.cause, x.text)
			continue
		}
		if p == nil || len(p.Attempts) > 0 || len(p.Trace) == 0 || !strings.Contains(p.Trace[len(p.Trace)-1].String(), "rejected") {
			t.Errorf("%s: the trace does not end with the rejection\n%s", x.why, lines(p))
		}
	}

	shut := box(toInterface("a"))
	shut.CS[0].Enabled = false
	var e *Error
	if _, err := New(shut, from("in"), Call{}); !errors.As(err, &e) || SIPFromCause(e.Cause) != 503 || !strings.Contains(e.Text, "SWITCH is shut down") {
		t.Errorf("context cs shut down: %v", err)
	}
	if _, err := DryRun(shut.CS[0], toInterface("a"), Call{}); !errors.As(err, &e) || SIPFromCause(e.Cause) != 503 {
		t.Errorf("dry run with context cs shut down: %v", err)
	}
	if _, err := New(shut, from("zz"), Call{}); !errors.As(err, &e) || e.Cause != 3 {
		t.Errorf("unknown interface: %v", err)
	}
}

func TestATableMayBeEnteredAgainWithAnotherNumber(t *testing.T) {
	rt := table(t, "rt", config.CalledE164, `0(.*)`, toTable("rt"), `5`, toInterface("a"))
	rt.Routes[0].Function = config.FunctionRef{Name: "strip"}
	cfg := box(toTable("rt"), withTables(rt), withMaps(mapping(t, "strip", config.CalledE164, config.CalledE164, `0(.*)`, `\1`)))
	p, err := New(cfg, from("in"), Call{CalledE164: "0005"})
	if err != nil || interfaces(p) != "a" || p.Attempts[0].Call.CalledE164 != "5" {
		t.Errorf("%v\n%s", err, lines(p))
	}
}

func TestDryRunBeginsAnywhere(t *testing.T) {
	cfg := reference(t)
	for _, x := range []struct {
		start config.Dest
		want  int
	}{{toTable("rt_from_starface"), 3}, {toTable("rt_from_teams"), 1}, {toService("hg_microsoft-directrouting"), 3}, {toInterface("if_sip_starface"), 1}} {
		p, err := DryRun(cfg.CS[0], x.start, Call{CalledE164: "+4930123456", CalledURI: "sip:user.01@h"})
		if err != nil || len(p.Attempts) != x.want {
			t.Errorf("%+v: %d attempts, %v", x.start, len(p.Attempts), err)
		}
	}
	if p, err := DryRun(cfg.CS[0], config.Dest{}, Call{}); err == nil || p == nil {
		t.Error("nowhere to begin, and no error")
	}
}

func TestHuntingThroughServicesInServices(t *testing.T) {
	busyHunts := []config.Cause{"user-busy"}
	cfg := box(toService("outer"), withHunts(
		hunt("outer", busyHunts, 5*time.Second, toInterface("a"), toService("inner"), toInterface("d")),
		hunt("inner", []config.Cause{"temporary-failure"}, 2*time.Second, toInterface("b"), toInterface("c")),
	))
	p, err := New(cfg, from("in"), Call{CalledE164: "1"})
	if err != nil || interfaces(p) != "a b c d" {
		t.Fatalf("%v\n%s", err, lines(p))
	}
	for _, x := range []struct {
		why         string
		from, cause int
		want        int // -1: ends
	}{
		{"the outer hunts on busy", 0, 17, 1},
		{"and on nothing else", 0, 41, -1},
		{"the inner hunts on failure", 1, 41, 2},
		{"busy ends the inner, the outer goes on", 1, 17, 3},
		{"failure of the inner's last is not for the outer", 2, 41, -1},
		{"busy of the inner's last is", 2, 17, 3},
		{"after the last nothing comes", 3, 17, -1},
		{"silence always goes on", 0, NoAnswer, 1},
		{"silence of the inner's last", 2, NoAnswer, 3},
		{"no cause ends", 0, 0, -1},
		{"no such attempt", 9, 17, -1},
	} {
		got, ok := p.Next(x.from, x.cause)
		if !ok {
			got = -1
		}
		if got != x.want {
			t.Errorf("%s: after %d with %d comes %d, want %d", x.why, x.from, x.cause, got, x.want)
		}
	}
	if p.Attempts[0].Timeout != 5*time.Second || p.Attempts[1].Timeout != 2*time.Second {
		t.Error("timeouts are not those of the services")
	}
}

func TestCyclicServicesTurn(t *testing.T) {
	h := hunt("hg", nil, 0, toInterface("a"), toService("in"), toInterface("c"))
	inner := hunt("in", nil, 0, toInterface("b"), toInterface("d"))
	h.Cyclic, inner.Cyclic = true, true
	var got []string
	for turn := range 4 {
		p, err := New(box(toService("hg"), withHunts(h, inner)), from("in"), Call{})
		if err != nil {
			t.Fatal(err)
		}
		p.Rotate(func(Group) int { return turn })
		got = append(got, interfaces(p))
	}
	if want := []string{"a b d c", "d b c a", "c a b d", "a d b c"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	h.Cyclic, inner.Cyclic = false, false
	p, _ := New(box(toService("hg"), withHunts(h, inner)), from("in"), Call{})
	p.Rotate(func(Group) int { t.Error("a service that is not cyclic turned"); return 1 })
}

func TestTooManyAttemptsAreCut(t *testing.T) {
	wide := func(name string, d config.Dest) *config.HuntGroup {
		return hunt(name, nil, 0, slices.Repeat([]config.Dest{d}, 10)...)
	}
	p, err := New(box(toService("h1"), withHunts(wide("h1", toService("h2")), wide("h2", toService("h3")), wide("h3", toService("h4")), wide("h4", toInterface("a")))), from("in"), Call{})
	if err != nil || len(p.Attempts) != maxAttempts || len(p.Trace) > maxSteps+1 {
		t.Errorf("%d attempts, %d steps, %v", len(p.Attempts), len(p.Trace), err)
	}
}

func TestCausesOfRFC3398(t *testing.T) {
	for code, cause := range map[int]int{486: 17, 600: 17, 404: 1, 503: 41, 500: 41, 481: 41, 400: 41, 580: 47, 502: 38, 480: 18, 603: 21, 403: 21, 408: 102, 504: 102,
		484: 28, 410: 22, 482: 25, 501: 79, 405: 63, 413: 127, 200: 0, 302: 23, 499: 127, 599: 41, 699: 21} {
		if got := CauseFromSIP(code); got != cause {
			t.Errorf("SIP %d: cause %d, want %d", code, got, cause)
		}
	}
	for cause, code := range map[int]int{1: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 31: 480, 21: 403, 22: 410, 28: 484, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503,
		102: 504, 127: 500, 16: 500, 0: 500} {
		if got := SIPFromCause(cause); got != code {
			t.Errorf("cause %d: SIP %d, want %d", cause, got, code)
		}
	}
}

// The index is only a faster way to the same entry.
func TestTheIndexFindsWhatTheSearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	part := func(list ...string) string { return list[r.IntN(len(list))] }
	for range 300 {
		m := &config.MappingTable{In: config.CalledE164, Out: config.CalledE164}
		for range 5 + r.IntN(40) {
			text := part("", `\+`, "(00)?", "4", "[34]") + part("4", "49", ".", "") + part("9", ".", "ü", "(1|12)", "0") + part("", "1", "12", ".2", "1?2") + part("", "$", ".*", ".+", ".%")
			m.Maps = append(m.Maps, config.Mapping{Key: key(t, text), To: text})
		}
		for range 50 {
			value := part("", "+", "00") + part("4", "49", "3", "") + part("9", "ü", "0", "1") + part("", "1", "12", "22", "1234567")
			for _, number := range []bool{false, true} {
				i, a, ok := mappings.find(m, m.Maps, value, number)
				plain := cache[config.MappingTable, config.Mapping]{key: mappings.key}
				j, b, found := searchAll(&plain, m, value, number)
				if i != j || ok != found || a.Group(0) != b.Group(0) {
					t.Fatalf("%q (%v): index says %d %v, search says %d %v", value, number, i, ok, j, found)
				}
			}
		}
	}
}

// searchAll finds without an index.
func searchAll(c *cache[config.MappingTable, config.Mapping], m *config.MappingTable, value string, number bool) (int, config.Match, bool) {
	i, a, ok := linear(m.Maps, c.key, value)
	if rest, plus := strings.CutPrefix(value, "+"); plus && number {
		if j, b, found := linear(m.Maps, c.key, rest); found && (!ok || b.Better(a) || j < i && !a.Better(b)) {
			return j, b, true
		}
	}
	return i, a, ok
}

func TestIndexesGoWithTheirTables(t *testing.T) {
	count := func() (n int) {
		mappings.indexes.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	for range 20 {
		mappings.find(large(t, 100), large(t, 100).Maps, "+491", true)
	}
	for range 100 {
		runtime.GC()
		if count() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d indexes are left", count()-before)
}

func TestATableThatGrewIsIndexedAgain(t *testing.T) {
	m := large(t, 100)
	mappings.find(m, m.Maps, "+49", true)
	m.Maps = append(m.Maps, config.Mapping{Key: key(t, `\+48`), To: "new"})
	if i, _, ok := mappings.find(m, m.Maps, "+48", true); !ok || i != 100 {
		t.Errorf("entry %d, %v", i, ok)
	}
}

func large(t testing.TB, n int) *config.MappingTable {
	m := &config.MappingTable{Name: "large", In: config.CalledE164, Out: config.CalledE164}
	for i := range n {
		m.Maps = append(m.Maps, config.Mapping{Key: key(t, fmt.Sprintf(`\+49712%05d`, i)), To: fmt.Sprint(i)})
	}
	return m
}

func BenchmarkPlanOver20000Keys(b *testing.B) {
	for _, form := range []string{"literal", "wildcard"} {
		m := large(b, 20_000)
		if form == "wildcard" {
			for i := range m.Maps {
				m.Maps[i].Key = key(b, fmt.Sprintf(`\+49712%05d.+`, i))
			}
		}
		rt := &config.RoutingTable{Name: "rt", Key: config.CalledE164, Routes: []config.Route{fallback(toInterface("a"), "large")}}
		cfg := box(toTable("rt"), withMaps(m), withTables(rt))
		b.Run(form, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, err := New(cfg, from("in"), Call{CalledE164: "+49712199990"}); err != nil || p.Attempts[0].Call.CalledE164 != "19999" {
					b.Fatal(err, lines(p))
				}
			}
		})
		b.Run(form+"/first", func(b *testing.B) { // makes the index
			b.ReportAllocs()
			for b.Loop() {
				copied := *m
				mappings.find(&copied, copied.Maps, "+49712199990", true)
			}
		})
	}
}

// from is the identity of an interface of the tests' context.
func from(name string) config.InterfaceID { return config.InterfaceID{Context: "SWITCH", Name: name} }
