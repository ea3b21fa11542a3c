package lang

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// twins are two contexts whose objects have the same names.
const twins = `
context cs A
  routing-table called-e164 RT
    route default dest-interface IF
  mapping-table called-e164 to called-e164 ONLY-A
  interface sip IF
    route call dest-table RT
    remote 192.0.2.1
context cs B
  routing-table called-e164 RT
    route default dest-interface IF
  interface sip IF
    route call dest-table RT
    remote 192.0.2.2
  interface sip ONLY-B
    remote 192.0.2.3
context ip ROUTER
  interface LAN
    ipaddress LAN 192.0.2.7/24
    use routing-table UP
  routing-table UP
context ip SECOND
  interface LAN
    ipaddress LAN 198.51.100.7/24
    use routing-table UP
`

// What a line refers to stands in the context of the line.
func TestNamesBelongToTheirContext(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types(strings.Split(twins, "\n")...)
	cfg := c.box.Running()
	for _, x := range []struct{ context, remote string }{{"A", "192.0.2.1"}, {"B", "192.0.2.2"}} {
		id := config.InterfaceID{Context: x.context, Name: "IF"}
		sw, i := id.In(cfg)
		if i == nil || i.Remote.Host != x.remote || i.ID() != id || i.Route.Table.In(sw).Routes[0].Dest.Interface.In(sw) != i {
			t.Errorf("%s: %+v", id, i)
		}
	}
	for _, x := range []struct{ typed, said string }{
		{"context cs B\nmapping-table called-e164 to called-e164 M2\ninterface sip IF\nuse mapping-table in ONLY-A", "no such mapping-table: ONLY-A, defined: M2"},
		{"context cs A\nrouting-table called-e164 RT\nroute 1 dest-interface ONLY-B", "no such interface sip: ONLY-B, defined: IF"},
		{"context ip SECOND\ninterface LAN\nuse routing-table UP", "no such routing-table: UP"},
	} {
		c.types(strings.Split(x.typed, "\n")...)
		if got := fmt.Sprint(l.Check(c.box.Running(), check.Env{})); !strings.Contains(got, x.said) {
			t.Errorf("%s\nhas the problems\n%s\nwant %s", x.typed, got, x.said)
		}
	}
	c.types("context cs B", "interface sip IF")
	line := "route call dest-interface "
	if h := l.Help(c.box, &c.s, line, len(line)); len(h.Choices) != 3 || h.Choices[0].Word != "IF" || h.Choices[1].Word != "ONLY-B" {
		t.Errorf("offered: %+v", h.Choices)
	}
	line = "mapping-table called-e164 to called-e164 "
	if h := l.Help(c.box, &c.s, line, len(line)); strings.Contains(wordsOf(h), "ONLY-A") {
		t.Errorf("a table of another context is offered: %s", wordsOf(h))
	}
}

// Names that stand in two contexts are listed with their contexts, and found by them.
func TestNamesThatStandInTwoContexts(t *testing.T) {
	c := configuringConsole(New())
	c.types(strings.Split(twins, "\n")...)
	c.s.Mode = []string{"enable"}
	if got := c.types("show call-router"); !strings.Contains(got, "A/RT      1      IF") || !strings.Contains(got, "B/RT      1      IF") {
		t.Error(got)
	}
	if got := c.types("show call-router B/RT"); !strings.Contains(got, "routing-table called-e164 RT\n  route default dest-interface IF\n") || strings.Count(got, "route default") != 1 {
		t.Error(got)
	}
}

// Blocks of one name say in which context they stand.
func TestShowCallRouterOfANameInTwoContexts(t *testing.T) {
	c := configuringConsole(New())
	c.types(strings.Split(twins, "\n")...)
	c.s.Mode = []string{"enable"}
	const block = "routing-table called-e164 RT\n  route default dest-interface IF\n"
	for typed, want := range map[string]string{"show call-router RT": "context cs A\n" + block + "context cs B\n" + block, "show call-router B/RT": block} {
		if got := c.types(typed); got != want {
			t.Errorf("%s\n%s\nwant\n%s", typed, got, want)
		}
	}
}

// A name with a slash is found as it is listed, and who uses an object is told by kind and context, not by name alone.
func TestCallRouterListsWhatItTakes(t *testing.T) {
	c := configuringConsole(New())
	c.types(strings.Split(`
context cs A/B
  routing-table called-e164 R/T
    route default dest-interface "X Y"
  routing-table called-e164 "X Y"
    route default dest-table R/T
  interface sip "X Y"
    remote 192.0.2.1
    use mapping-table in M
  mapping-table called-e164 to called-e164 M
context cs B
  routing-table called-e164 R/T
`, "\n")...)
	c.s.Mode = []string{"enable"}
	for _, x := range []struct{ typed, want string }{
		{"show call-router", "Kind           Name     Lines  Used by\n" +
			"routing-table  A/B/R/T  1      X Y\n" +
			"routing-table  A/B/X Y  1      -\n" +
			"mapping-table  A/B/M    0      X Y\n" +
			"routing-table  B/R/T    0      -\n"},
		{"show call-router A/B/R/T", "routing-table called-e164 R/T\n  route default dest-interface \"X Y\"\n"},
	} {
		if got := c.types(x.typed); got != x.want {
			t.Errorf("%s\n%s%v\nwant\n%s", x.typed, got, c.err, x.want)
		}
	}
}

type gatewayBox struct{ device.Box }

func (gatewayBox) Gateways() []status.Gateway {
	return []status.Gateway{{Name: "GW", Interfaces: []status.GatewayInterface{{Name: "I"}}}}
}

func (gatewayBox) Peers() []status.Peer {
	return []status.Peer{{Interface: "A/IF", Peer: "192.0.2.1", Answer: "200 OK"}, {Interface: "B/IF", Peer: "192.0.2.2", Answer: "503"}}
}

// A gateway's interfaces of equal names have a peer each.
func TestPeersOfAGatewayInTwoContexts(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types(strings.Split(twins+"context cs A\ninterface sip IF\nbind context sip-gateway GW\ncontext cs B\ninterface sip IF\nbind context sip-gateway GW", "\n")...)
	c.s.Mode = []string{"enable"}
	var out strings.Builder
	if _, err := l.Exec(context.Background(), gatewayBox{c.box}, &c.s, "show context sip-gateway GW detail 5", nil, &out); err != nil {
		t.Fatal(err)
	}
	want := "  Used by: interface sip A/IF\n    Peer: 192.0.2.1, last answer: 200 OK\n  Used by: interface sip B/IF\n    Peer: 192.0.2.2, last answer: 503\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s\nwant at its end\n%s", &out, want)
	}
}
