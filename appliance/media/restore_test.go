package media

import (
	"encoding/json"
	"testing"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/srtp"
)

// carried are a state and marks as another box gets them.
func carried(t testing.TB, state State, m Marks) (State, Marks) {
	t.Helper()
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	octets, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var there State
	if err := json.Unmarshal(text, &there); err != nil {
		t.Fatal(err)
	}
	var marks Marks
	if err := marks.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	if marks != m && !hasIdle(m) {
		t.Errorf("marks change on the way:\n%+v\n%+v", m, marks)
	}
	t.Logf("state of %d octets, marks of %d", len(text), len(octets))
	return there, marks
}

// dies ends the call's session without a word, and has another relay restore it. What the first one does after state and marks is lost.
func (c *callOf) dies(t testing.TB, other *Relay, state State, m Marks, since time.Duration) {
	t.Helper()
	state, m = carried(t, state, m)
	c.Close()
	s, err := other.Restore(state, m, since)
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	t.Cleanup(func() { s.Close() })
}

func hasIdle(m Marks) bool {
	for _, side := range m.sides {
		if side.out.idle%idleUnit != 0 {
			return true
		}
	}
	return false
}

func TestARestoredCallGoesOn(t *testing.T) { eachWay(t, Options{}, testRestored) }

func testRestored(t *testing.T, r *Relay) {
	for _, suite := range []string{"", srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		t.Run(suite, func(t *testing.T) {
			c := call(t, r, suite)
			c.a.seq, c.b.seq = 65500, 65520
			for range 50 {
				c.talk(t)
			}
			if suite != "" {
				c.reportsBothWays(t)
			}
			state, marks := c.State(), c.Marks()
			for range 50 {
				c.talk(t) // which the other box does not know
			}
			c.dies(t, running(t, Options{ownSockets: r.options.ownSockets}), state, marks, time.Second)
			for range 50 {
				c.talk(t)
			}
			if suite != "" {
				c.reportsBothWays(t)
			}
			for side, s := range c.Close() {
				if s.AuthFailed+s.Replayed+s.Invalid+s.Foreign+s.Late+s.Duplicates != 0 || s.Received != 100 || s.Sent != 100 || s.Lost != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
		})
	}
}

func TestNothingLeavesAfterTheTerm(t *testing.T) {
	var term pair.Term
	r := running(t, Options{Term: &term})
	term.Extend(time.Minute)
	c := call(t, r, srtp.AES80)
	c.talk(t)
	term.End()
	c.b.send(8)
	c.a.nothing("the term is over")
	term.Extend(time.Minute)
	c.talk(t)
}
