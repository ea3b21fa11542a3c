package lang

import (
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/word"
)

// Each cause is switched by itself: a line adds one to those that every hunt group has, `no` takes one away, and both are kept.
func TestDropCauses(t *testing.T) {
	for _, x := range []struct {
		lines, printed string
		more, less     []config.Cause
	}{
		{"", "", nil, nil},
		{"drop-cause user-busy", "drop-cause user-busy", []config.Cause{"user-busy"}, nil},
		{"drop-cause temporary-failure", "", nil, nil},
		{"no drop-cause temporary-failure", "no drop-cause temporary-failure", nil, []config.Cause{"temporary-failure"}},
		{"no drop-cause temporary-failure|drop-cause temporary-failure", "", nil, nil},
		{"drop-cause user-busy|no drop-cause user-busy", "", nil, nil},
		{"no drop-cause user-busy", "", nil, nil},
		{"drop-cause no-answer", "drop-cause no-answer-from-user", []config.Cause{"no-answer-from-user"}, nil},
		{"drop-cause no-answer|no drop-cause no-answer-from-user", "", nil, nil},
		{"drop-cause 17|no drop-cause 41", "drop-cause user-busy|no drop-cause temporary-failure", []config.Cause{"user-busy"}, []config.Cause{"temporary-failure"}},
		{"drop-cause subscriber-absent|drop-cause facility-rejected|drop-cause qos-unavailable", "drop-cause subscriber-absent|drop-cause facility-rejected|drop-cause qos-unavailable",
			[]config.Cause{"subscriber-absent", "facility-rejected", "qos-unavailable"}, nil},
		{"no drop-cause " + strings.Join(word.Strings(config.DefaultDropCauses...), "|no drop-cause "), "no drop-cause " + strings.Join(word.Strings(config.DefaultDropCauses...), "|no drop-cause "), nil, config.DefaultDropCauses},
	} {
		l := New()
		c := configuringConsole(l)
		if said := c.types(append([]string{"context cs SWITCH", "service hunt-group G"}, strings.Split(x.lines, "|")...)...); strings.Contains(said, "%") {
			t.Errorf("%s: said %s", x.lines, said)
		}
		got := c.box.cfg.CS[0].HuntGroups[0].DropCauses
		want := slices.Concat(slices.DeleteFunc(slices.Clone(config.DefaultDropCauses), func(c config.Cause) bool { return slices.Contains(x.less, c) }), x.more)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", x.lines, got, want)
		}
		_, block, _ := strings.Cut(string(l.Print(c.box.cfg, false)), "service hunt-group G\n")
		if printed := strings.ReplaceAll(strings.TrimSpace(block), "\n    ", "|"); printed != x.printed {
			t.Errorf("%s: prints %q, want %q", x.lines, printed, x.printed)
		}
		readsBack(t, l, c.box.cfg)
	}
}

func TestTheWordsOfTheManualAreCauses(t *testing.T) {
	for _, name := range []string{"unallocated-number", "normal-call-clearing", "user-busy", "no-user-responding", "no-answer-from-user", "subscriber-absent", "call-rejected",
		"number-changed", "non-selected-user-clearing", "destination-out-of-order", "invalid-number-format", "facility-rejected", "response-to-status-enquiry", "normal-unspecified",
		"qos-unavailable", "facility-not-subscribed", "call-identity-in-use", "no-call-suspended", "call-has-been-cleared", "incompatible-destination", "invalid-transit-network",
		"invalid-message", "mandatory-ie-missing", "message-type-not-implemented", "message-type-not-state-compatible"} {
		if c, ok := config.ParseCause(name); !ok || c.Number() == 0 {
			t.Errorf("%s is not a cause", name)
		}
	}
	c := configuringConsole(New())
	if said := c.types("context cs SWITCH", "service hunt-group G", "drop-cause user-bussy"); !strings.Contains(said, "user-busy") {
		t.Error(said)
	}
	if said := c.types("drop-cause lunch"); !strings.Contains(said, `"lunch" is not a cause`) {
		t.Error(said)
	}
}

// Of what is built in and stands for an empty list nothing can be taken away, which is said.
func TestNoOfSomethingBuiltIn(t *testing.T) {
	for header, lines := range map[string][]string{
		"profile voip V":    {"no codec 1", "no codec 2 g711ulaw64k"},
		"profile tls T":     {"no trusted-certificate pki:certificate/X"},
		"system hostname x": {"no console access 192.168.1.0/24"},
	} {
		for _, line := range lines {
			c := configuringConsole(New())
			if said := c.types(header, line); !strings.Contains(said, "note: nothing was removed: without a") {
				t.Errorf("%s: %q", line, said)
			}
			if p := New().CheckFile("f", []byte(header+"\n"+line+"\n"), check.Env{}); !strings.Contains(problemLines(p), "note: nothing was removed") {
				t.Errorf("%s: %s", line, problemLines(p))
			}
		}
	}
	c := configuringConsole(New())
	if said := c.types("profile voip V", "codec 1 g711alaw64k", "no codec 1"); strings.Contains(said, "note") {
		t.Error(said)
	}
}
