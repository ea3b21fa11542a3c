package call

import (
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

func TestWhoGivesWay(t *testing.T) {
	pbx, other, hub := netip.MustParseAddr("192.168.1.100"), netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("52.114.75.24")
	type one struct {
		source netip.Addr
		stage  stage
		age    time.Duration
		urgent bool
	}
	for name, x := range map[string]struct {
		calls    []one
		newcomer one
		refused  map[netip.Addr]int
		want     int // -1: none
	}{
		"nobody, where all talk":                      {[]one{{pbx, talking, time.Hour, false}}, one{source: hub}, map[netip.Addr]int{pbx: 20}, -1},
		"nobody, where a PBX rings":                   {[]one{{pbx, unanswered, time.Minute, false}, {pbx, unanswered, time.Minute, false}}, one{source: hub}, map[netip.Addr]int{pbx: 5}, -1},
		"the oldest without an ACK":                   {[]one{{pbx, unacknowledged, 4 * time.Second, false}, {pbx, unacknowledged, 9 * time.Second, false}}, one{source: pbx}, nil, 1},
		"nobody, as long as an ACK may come":          {[]one{{pbx, unacknowledged, time.Second, false}}, one{source: hub}, nil, -1},
		"the one without an ACK before a flood's":     {[]one{{other, unanswered, time.Minute, false}, {pbx, unacknowledged, 5 * time.Second, false}}, one{source: hub}, map[netip.Addr]int{other: 20}, 1},
		"the oldest of who floods":                    {[]one{{pbx, unanswered, time.Hour, false}, {other, unanswered, 5 * time.Second, false}, {other, unanswered, 9 * time.Second, false}}, one{source: hub}, map[netip.Addr]int{other: 20}, 2},
		"nobody, for who floods itself":               {[]one{{other, unanswered, time.Minute, false}}, one{source: hub}, map[netip.Addr]int{other: 20, hub: 20}, -1},
		"nobody, for the same source":                 {[]one{{other, unanswered, time.Minute, false}}, one{source: other}, map[netip.Addr]int{other: 20}, -1},
		"whoever rings, for an emergency call":        {[]one{{pbx, talking, time.Hour, false}, {pbx, unanswered, time.Second, false}}, one{source: pbx, urgent: true}, nil, 1},
		"no emergency call, not even for another one": {[]one{{pbx, unacknowledged, time.Hour, true}}, one{source: pbx, urgent: true}, nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := New(Options{})
				make := func(o one) *call {
					return &call{m: m, standing: standing{source: o.source, stage: o.stage, since: time.Now().Add(-o.age), urgent: o.urgent}}
				}
				var list []*call
				for n, o := range x.calls {
					list = append(list, make(o))
					m.calls[string(rune('a'+n))] = list[n]
				}
				for source, n := range x.refused {
					for range n {
						m.refused(source)
					}
				}
				var want *call
				if x.want >= 0 {
					want = list[x.want]
				}
				newcomer := make(x.newcomer)
				if got := m.victimFor(newcomer); got != want {
					t.Errorf("%+v gives way", got)
				}
				if want != nil && m.victimFor(newcomer) == want {
					t.Error("it is asked twice")
				}
			})
		})
	}
}

// Between the choice and the moment in which the call hears of it, its ACK may come.
func TestACallThatGoesOnMeanwhileDoesNotGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{})
		c := &call{m: m, log: slog.New(slog.DiscardHandler), standing: standing{stage: unacknowledged, since: time.Now().Add(-time.Minute)}, done: make(chan struct{})}
		c.a.iface = &config.SIPInterface{Name: "pbx"}
		m.calls["a"] = c
		if m.victimFor(&call{m: m}) != c {
			t.Fatal("it is not asked to give way")
		}
		c.reached(talking)
		if c.giveWay(); c.ended() || c.record.Ended != (time.Time{}) {
			t.Error("it gave way")
		}
	})
}
