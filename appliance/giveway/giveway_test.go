package giveway

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoGivesWay(t *testing.T) {
	pbx, other, hub := netip.MustParseAddr("192.168.1.100"), netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("52.114.75.24")
	type one struct {
		source netip.Addr
		stage  Stage
		age    time.Duration
		urgent bool
	}
	for name, x := range map[string]struct {
		calls    []one
		newcomer one
		refused  map[netip.Addr]int
		want     string // "": none
	}{
		"nobody, where all talk":                      {[]one{{pbx, Talking, time.Hour, false}}, one{source: hub}, map[netip.Addr]int{pbx: 20}, ""},
		"nobody, where a PBX rings":                   {[]one{{pbx, Unanswered, time.Minute, false}, {pbx, Unanswered, time.Minute, false}}, one{source: hub}, map[netip.Addr]int{pbx: 5}, ""},
		"the oldest without an ACK":                   {[]one{{pbx, Unacknowledged, 4 * time.Second, false}, {pbx, Unacknowledged, 9 * time.Second, false}}, one{source: pbx}, nil, "b"},
		"nobody, as long as an ACK may come":          {[]one{{pbx, Unacknowledged, time.Second, false}}, one{source: hub}, nil, ""},
		"the one without an ACK before a flood's":     {[]one{{other, Unanswered, time.Minute, false}, {pbx, Unacknowledged, 5 * time.Second, false}}, one{source: hub}, map[netip.Addr]int{other: 20}, "b"},
		"the oldest of who floods":                    {[]one{{pbx, Unanswered, time.Hour, false}, {other, Unanswered, 5 * time.Second, false}, {other, Unanswered, 9 * time.Second, false}}, one{source: hub}, map[netip.Addr]int{other: 20}, "c"},
		"nobody, for who floods itself":               {[]one{{other, Unanswered, time.Minute, false}}, one{source: hub}, map[netip.Addr]int{other: 20, hub: 20}, ""},
		"nobody, for the same source":                 {[]one{{other, Unanswered, time.Minute, false}}, one{source: other}, map[netip.Addr]int{other: 20}, ""},
		"whoever rings, for an emergency call":        {[]one{{pbx, Talking, time.Hour, false}, {pbx, Unanswered, time.Second, false}}, one{source: pbx, urgent: true}, nil, "b"},
		"no emergency call, not even for another one": {[]one{{pbx, Unacknowledged, time.Hour, true}}, one{source: pbx, urgent: true}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r Room
				enter := func(id string, o one) {
					r.Enter(id, o.source)
					s := r.calls[id]
					s.stage, s.since, s.urgent = o.stage, time.Now().Add(-o.age), o.urgent
				}
				for n, o := range x.calls {
					enter(string(rune('a'+n)), o)
				}
				enter("newcomer", x.newcomer)
				for source, n := range x.refused {
					r.Enter("refused", source)
					for range n {
						r.Refused("refused")
					}
					r.Leave("refused")
				}
				if got := r.For("newcomer"); got != x.want {
					t.Errorf("%q gives way", got)
				}
				if x.want != "" && (!r.Leaves(x.want) || r.For("newcomer") == x.want) {
					t.Error("it is not asked, or is asked twice")
				}
			})
		})
	}
}

// Between the choice and the moment in which the call hears of it, its ACK may come.
func TestACallThatGoesOnMeanwhileDoesNotGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Room
		r.Enter("a", netip.Addr{})
		r.Reached("a", Unacknowledged)
		time.Sleep(time.Minute)
		r.Enter("b", netip.Addr{})
		if r.For("b") != "a" || !r.Leaves("a") {
			t.Fatal("it is not asked to give way")
		}
		if r.Reached("a", Talking); r.Leaves("a") || r.For("b") != "" {
			t.Error("it gives way")
		}
	})
}

// What is told of a call that has ended, or was never there, changes nothing.
func TestOfACallThatIsGone(t *testing.T) {
	var r Room
	r.Urgent("a")
	r.Reached("a", Talking)
	r.Refused("a")
	r.Leave("a")
	if r.For("a") != "" || r.Leaves("a") || len(r.calls) != 0 {
		t.Errorf("%+v", r.calls)
	}
}
