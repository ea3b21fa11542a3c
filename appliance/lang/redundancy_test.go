package lang

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
)

const redundancyOfAll = `redundancy
  virtual-router 51
  box 1 key 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
  box 2 key 6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
  advertise-interval 250
  preempt

  interface ROUTER if_eth00
    box 1 192.168.1.2/24
    box 2 192.168.1.3/24
    witness 192.168.1.100

  interface ROUTER if_eth02
    box 1 10.99.0.1/30
    box 2 10.99.0.2/30
    direct
`

func TestRedundancy(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte("context ip ROUTER\n  interface if_eth00\n    ipaddress if_eth00 192.168.1.1/24\n  interface if_eth02\n" + redundancyOfAll))
	for _, p := range problems {
		t.Log(p)
	}
	own := func(one, two string) []*config.PairAddress {
		return []*config.PairAddress{{Number: 1, Prefix: netip.MustParsePrefix(one)}, {Number: 2, Prefix: netip.MustParsePrefix(two)}}
	}
	router := config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}
	want := &config.Redundancy{
		Enabled: true, Router: 51, Advertise: 250, Preempt: true,
		Boxes: []*config.PairBox{{Number: 1, Key: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}, {Number: 2, Key: "6891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}},
		Interfaces: []*config.PairInterface{
			{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if_eth00"}, Boxes: own("192.168.1.2/24", "192.168.1.3/24"), Witness: netip.MustParseAddr("192.168.1.100")},
			{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if_eth02"}, Boxes: own("10.99.0.1/30", "10.99.0.2/30"), Direct: true},
		},
	}
	if !reflect.DeepEqual(cfg.Redundancy, want) || cfg.Pair() == nil {
		t.Errorf("%+v", cfg.Redundancy)
	}
	if text := string(l.Print(cfg, false)); !strings.Contains(text, redundancyOfAll) {
		t.Errorf("written as\n%s", text)
	}
}

// networkOfPair is what stands beside `redundancy` on both boxes.
const networkOfPair = `
context ip ROUTER
  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24
  interface if_eth02
port ethernet 0 0
  bind interface ROUTER if_eth00
  no shutdown
port ethernet 0 2
  bind interface ROUTER if_eth02
  no shutdown
`

const pairOfAll = networkOfPair + redundancyOfAll

// pairSlips has slips that the configuration alone shows, with their fixes.
const pairSlips = `
redundancy
  advertise-interval 255
  interface ROUTER if_eth00
    box 1 192.168.1.2/24
    box 2 192.168.1.3/24
`

func TestProblemsOfAPair(t *testing.T) {
	with := func(old, by string) string {
		if !strings.Contains(pairOfAll, old) {
			t.Errorf("there is no %q to be replaced", old)
		}
		return strings.Replace(pairOfAll, old, by, 1)
	}
	for what, x := range map[string]struct{ text, want, fix string }{
		"nothing wrong":              {pairOfAll, "", ""},
		"shut down":                  {networkOfPair + "redundancy\n  shutdown\n", "", ""},
		"no number":                  {with("virtual-router 51", ""), "it has no number for VRRP", "virtual-router 173"},
		"no key of box 2":            {with("  box 2 key", "  # "), "box 2 is not known. `show redundancy key 2` prints the line there", "box 2 key SHA256"},
		"one key twice":              {with("key 6891", "key 5891"), "both boxes have the same key", ""},
		"an interval of no whole cs": {with("interval 250", "interval 255"), "hundredths", "advertise-interval 250"},
		"no direct path":             {with("    direct\n", ""), "no interface is the direct path", ""},
		"what may be the direct one": {with("    direct\n", ""), "has no ipaddress", "direct"},
		"two direct paths":           {with("    witness 192.168.1.100\n", "    direct\n"), "there is a direct path already: if_eth00", "no direct"},
		"nothing to take over":       {with("    witness 192.168.1.100\n", "    direct\n"), "there is nothing to take over", ""},
		"an ipaddress on it":         {with("interface if_eth02\n", "interface if_eth02\n    ipaddress if_eth02 10.99.0.3/29\n"), "is the direct path of the pair, which has no ipaddress", "no ipaddress if_eth02 10.99.0.3/29"},
		"its network twice":          {with("192.168.1.1/24", "10.0.0.1/8"), "the network of the direct path is 10.0.0.0/8, too", ""},
		"a witness on it":            {with("    direct\n", "    direct\n    witness 10.99.0.2\n"), "nobody but the two boxes is on the direct path", "no witness"},
		"no interface":               {with("  interface ROUTER if_eth00\n    box", "  interface ROUTER if_eth0\n    box"), "no such interface of context ip ROUTER: if_eth0", "no interface ROUTER if_eth0"},
		"no port":                    {with("bind interface ROUTER if_eth02\n", "\n"), "no enabled port is bound to interface if_eth02", ""},
		"no address of box 1":        {with("    box 1 192.168.1.2/24\n", ""), "box 1 has no address of its own here", "box 1 ADDRESS/24"},
		"one address twice":          {with("box 2 192.168.1.3/24", "box 2 192.168.1.2/24"), "both boxes have the same address", ""},
		"two networks":               {with("box 2 10.99.0.2/30", "box 2 10.99.0.6/30"), "10.99.0.1/30 and 10.99.0.6/30 are not in one network", ""},
		"that of the pair":           {with("box 2 192.168.1.3/24", "box 2 192.168.1.1/24"), "192.168.1.1 is the address of the pair", ""},
		"in another network":         {with("box 2 192.168.1.3/24", "box 2 192.168.2.3/24"), "is not in the network of the pair's address 192.168.1.1/24", ""},
		"that of the network":        {with("box 1 10.99.0.1/30", "box 1 10.99.0.0/30"), "10.99.0.0 is no address for a box", ""},
		"that of everybody":          {with("box 2 192.168.1.3/24", "box 2 192.168.1.255/24"), "192.168.1.255 is no address for a box", ""},
		"nobody to ask":              {with("    witness 192.168.1.100\n", ""), "nobody to ask who has the pair's address here", "witness ADDRESS"},
		"a peer to ask":              {with("    witness 192.168.1.100\n", "") + "context cs S\n  interface sip I\n    remote 192.168.1.77\n", "nobody to ask", "witness 192.168.1.77"},
		"a gateway is asked":         {with("    witness 192.168.1.100\n", "") + "context ip ROUTER\n  routing-table DEFAULT\n    route 0.0.0.0/0 gateway 192.168.1.254\n", "", ""},
		"a witness elsewhere":        {with("witness 192.168.1.100", "witness 192.168.2.100"), "the witness 192.168.2.100 is not in 192.168.1.0/24", ""},
		"a box as the witness":       {with("witness 192.168.1.100", "witness 192.168.1.3"), "the witness must be another device", ""},
		"the pair as the witness":    {with("witness 192.168.1.100", "witness 192.168.1.1"), "the witness must be another device", ""},
		"of IPv6":                    {with("ipaddress if_eth00 192.168.1.1/24", "ipaddress if_eth00 192.168.1.1/24\n    ipaddress six 2001:db8::1/64"), "nobody has 2001:db8::1 while the box is one of a pair", ""},
		"from DHCP":                  {with("ipaddress if_eth00 192.168.1.1/24", "ipaddress if_eth00 dhcp"), "an address of the pair cannot come from DHCP", ""},
		"an interface of neither": {pairOfAll + "context ip ROUTER\n  interface if_eth01\n    ipaddress if_eth01 203.0.113.5/29\nport ethernet 0 1\n  bind interface ROUTER if_eth01\n  no shutdown\n",
			"both boxes of the pair have 203.0.113.5 at the same time", ""},
	} {
		list := slices.DeleteFunc(problemsOf(New(), x.text), func(p check.Problem) bool {
			return strings.Contains(p.Text, "port 5060") || !slices.ContainsFunc(append(p.Path, p.Source), func(line string) bool {
				return strings.HasPrefix(line, "redundancy") || strings.HasPrefix(line, "context ip")
			})
		})
		if x.want == "" {
			if len(list) > 0 {
				t.Errorf("%s: %v", what, list)
			}
			continue
		}
		if !slices.ContainsFunc(list, func(p check.Problem) bool { return strings.Contains(p.Text, x.want) && p.Fix == x.fix }) {
			t.Errorf("%s: %q is not said, or without its fix: %v", what, x.want, list)
		}
	}
}

// paired is one box of a pair.
type paired struct {
	busyBox
	is  status.Redundancy
	key string
	err error
}

func (b paired) Redundancy() status.Redundancy          { return b.is }
func (b paired) RedundancyKey() (string, error)         { return b.key, b.err }
func (b paired) SwitchRedundancy(context.Context) error { return b.err }

func TestCommandsOfAPair(t *testing.T) {
	l := New()
	cfg, _ := l.Parse([]byte(pairOfAll))
	half, _ := l.Parse([]byte(strings.Replace(pairOfAll, "  box 2 key", "  # ", 1)))
	off, _ := l.Parse([]byte(pairOfAll + "redundancy\nshutdown\n"))
	one, two, other := cfg.Redundancy.Key(1), cfg.Redundancy.Key(2), strings.Repeat("7b", 32)
	standby := status.PairOther{Box: 2, Role: "standby", Eligible: true, Linked: true}
	active := status.PairOther{Box: 1, Role: "active", Calls: 12, Linked: true}
	unlinked, behind := standby, standby
	unlinked.Linked, unlinked.Why, behind.Eligible = false, "the other box has another key", false
	for _, x := range []struct {
		line string
		cfg  *config.Config
		box  paired
		want string
	}{
		{"show redundancy", cfg, paired{}, "State: off: not begun yet\nThis box: none of the two\nKey: none yet\n"},
		{"show redundancy", half, paired{}, "State: off: not complete, as `show config problems` says\n"},
		{"show redundancy", off, paired{}, "State: off: shut down\n"},
		{"show redundancy", newBox().cfg, paired{}, "% the box belongs to no pair: docs/redundancy.md shows how to begin\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairActive, Box: 1, Other: status.PairOther{Why: "no carrier"}}}, "Other box: nothing is heard of it\n  Direct path: does not work: no carrier\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairJoining, Box: 1, Other: active}}, "Other box: 1, active\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairJoining, Box: 1, Other: active}}, "Copied from the other box: not everything yet\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairJoining, Replication: status.PairReplication{Why: "a certificate\n> reload"}}}, "Not taken: a certificate\\x0a> reload\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairActive, Box: 1, Other: behind}}, "Other box: 2, standby, cannot take over yet\n"},
		{"show redundancy", cfg, paired{is: status.Redundancy{State: status.PairActive, Other: standby, Replication: status.PairReplication{Synced: true}}}, "Both boxes are alike\n"},
		{"show redundancy key", newBox().cfg, paired{key: other}, "box 1 key " + other + "\n"},
		{"show redundancy key 2", newBox().cfg, paired{key: other}, "box 2 key " + other + "\n"},
		{"show redundancy key", half, paired{key: other}, "box 2 key " + other + "\n"},
		{"show redundancy key", half, paired{key: one}, "box 1 key " + one + "\n"},
		{"show redundancy key", cfg, paired{key: two}, "box 2 key " + two + "\n"},
		{"show redundancy key", cfg, paired{err: errors.New("the flash is full")}, "% show redundancy key: the flash is full\n"},
		{"redundancy switch force", newBox().cfg, paired{}, "the box belongs to no pair"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairUnready}}, "stays out of its pair"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairJoining}}, "this box has not copied everything yet"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairSwitching}}, "are changing places already"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairDefeated}}, "has just given up"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairActive}}, "nothing is heard of the other box"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairActive, Other: unlinked}}, "so calls would be lost: the other box has another key\n"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairActive, Other: behind}}, "the other box has not copied everything yet"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairStandby, Other: status.PairOther{Role: "active"}}}, "cannot be asked over the direct path: nothing is heard of it there\n"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairActive, Other: standby}}, "box 2 is active now\n"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairStandby, Other: active}}, "this box is active now\n"},
		{"redundancy switch force", cfg, paired{is: status.Redundancy{State: status.PairActive, Other: standby}, err: errors.New("box 2 does not take over")}, "% redundancy switch: box 2 does not take over\n"},
	} {
		x.box.busyBox = busyBox{newBox()}
		x.box.cfg = x.cfg
		var out strings.Builder
		if l.Exec(t.Context(), x.box, &Session{Class: config.Administrator, Mode: []string{"enable"}}, x.line, nil, &out); !strings.Contains(out.String(), x.want) {
			t.Errorf("%s at %+v says\n%s\nwant %s", x.line, x.box.is, out.String(), x.want)
		}
	}
	trial := paired{busyBox: busyBox{newBox()}, is: status.Redundancy{State: status.PairActive, Other: standby}}
	trial.cfg = cfg
	if err := trial.BeginCommit(cfg, status.Author{Account: "anna"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if l.Exec(t.Context(), trial, &Session{Class: config.Administrator, Mode: []string{"enable"}}, "redundancy switch force", nil, &said); !strings.Contains(said.String(), "a change waits to be confirmed") {
		t.Errorf("with a change on trial: %s", &said)
	}
	for want, is := range map[string]status.Redundancy{
		"Have box 2 take over, with 1 call? ":                 {State: status.PairActive, Other: standby},
		"Have this box take over from box 1, with 12 calls? ": {State: status.PairStandby, Other: active},
	} {
		b := paired{busyBox: busyBox{newBox()}, is: is, err: errors.New("it was done without an answer")}
		b.cfg = cfg
		var out strings.Builder
		r, err := l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, "redundancy switch", nil, &out)
		if err != nil || r.Collect == nil || r.Collect.Kind != "confirm" || !strings.HasPrefix(r.Collect.Prompt, want) {
			t.Errorf("it asks %+v (%v, %s), want %s", r.Collect, err, out.String(), want)
		}
		if _, err := l.Exec(t.Context(), b, &Session{Class: config.Operator}, "redundancy switch force", nil, &out); err == nil {
			t.Error("an operator may do it")
		}
	}
}

// What both boxes have alike is entered at the active box: the standby would lose it within seconds.
func TestTheStandbyCopies(t *testing.T) {
	l := New()
	cfg, _ := l.Parse([]byte(pairOfAll))
	at := []status.PairPort{{Direct: true}, {Virtual: []string{"192.168.1.1/24"}}}
	active, away := status.PairOther{Box: 1, Role: "active", Linked: true}, status.PairOther{Box: 1, Role: "active"}
	for what, x := range map[string]struct {
		is      status.Redundancy
		refused bool
	}{
		"standby":                     {status.Redundancy{State: status.PairStandby, Other: active, Ports: at}, true},
		"joining":                     {status.Redundancy{State: status.PairJoining, Other: active, Ports: at}, true},
		"cut off":                     {status.Redundancy{State: status.PairStandby, Other: away, Ports: at}, false},
		"nobody is active":            {status.Redundancy{State: status.PairJoining, Other: status.PairOther{Role: "standby", Linked: true}}, false},
		"active":                      {status.Redundancy{State: status.PairActive, Other: status.PairOther{Role: "standby", Linked: true}}, false},
		"it has given up its address": {status.Redundancy{State: status.PairUnready, Other: active}, false},
	} {
		for _, line := range []string{"configure", "copy startup-config running-config", "copy running-config startup-config", "import pki:certificate/x", "erase startup-config", "generate pki:private-key/x", "import backup"} {
			if !x.refused && line != "configure" {
				continue
			}
			b := paired{busyBox: busyBox{newBox()}, is: x.is}
			b.cfg = cfg
			var out strings.Builder
			l.Exec(t.Context(), b, &Session{Class: config.Superuser, Mode: []string{"enable"}}, line, nil, &out)
			if got := strings.Contains(out.String(), "is the standby of its pair, and copies what the active box has: enter changes there, at 192.168.1.1\n"); got != x.refused {
				t.Errorf("%s: %s says %s", what, line, out.String())
			}
		}
		b := paired{busyBox: busyBox{newBox()}, is: x.is}
		b.cfg = cfg
		var out strings.Builder
		l.Exec(t.Context(), b, &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}, "system hostname x", nil, &out)
		if b.cfg.Hostname == "x" == x.refused {
			t.Errorf("%s: a line of a session that was open before says %s", what, out.String())
		}
	}
}
