package callrecord

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// A record has a bound, however often a call is transferred: the first attempts and the last ones stay.
func TestARecordKeepsTheFirstAndTheLastAttempts(t *testing.T) {
	var r Record
	for n := range 500 {
		r.Begin(config.InterfaceID{Name: fmt.Sprint("if_", n)}, status.ChosenTransfer, &route.Call{})
		r.Rejected(&config.SIPInterface{}, sipgw.Failed{Code: 486})
	}
	if n := len(r.Attempts); n != maxAttempts || r.Attempts[0].Interface != "if_0" || !strings.HasSuffix(r.last().Interface, "if_499") {
		t.Errorf("%d attempts, from %s to %s", n, r.Attempts[0].Interface, r.last().Interface)
	}
}

// One-way voice: packets of one side only, for more than ten seconds, while nobody holds.
func TestOneWayVoiceIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		now := time.Now()
		ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
		heard := func(last, rtp time.Time) media.Stats {
			return media.Stats{Received: 100, Last: last, LastRTP: rtp}
		}
		both := heard(now, now)
		talk := sdp.Choice{Codec: sdp.Codec{PT: 8, Name: sdp.PCMA, Rate: 8000}, Addr: netip.MustParseAddrPort("192.0.2.1:4000"), Direction: sdp.SendRecv}
		held, pauses := talk, talk
		held.Direction = sdp.SendOnly
		pauses.CN = &sdp.Codec{PT: 13}
		for name, c := range map[string]struct {
			caller, callee media.Stats
			callee1        sdp.Choice
			talks          time.Time
			want           [2]int
		}{
			"both are heard":                      {both, both, talk, ago(60), [2]int{}},
			"the callee never":                    {both, media.Stats{}, talk, ago(60), [2]int{0, 60}},
			"the caller no more":                  {heard(ago(35), ago(35)), both, talk, ago(60), [2]int{35, 0}},
			"neither":                             {heard(ago(35), ago(35)), heard(ago(30), ago(30)), talk, ago(60), [2]int{}},
			"ten seconds":                         {both, media.Stats{}, talk, ago(10), [2]int{}},
			"nobody answered":                     {both, media.Stats{}, talk, time.Time{}, [2]int{}},
			"on hold":                             {both, heard(ago(35), ago(35)), held, ago(60), [2]int{}},
			"its RTCP comes, which is no voice":   {both, heard(now, ago(35)), talk, ago(60), [2]int{0, 35}},
			"its RTCP comes, and it is silent":    {both, heard(now, ago(35)), pauses, ago(60), [2]int{}},
			"it is silent, and no RTCP comes":     {both, heard(ago(20), ago(35)), pauses, ago(60), [2]int{0, 20}},
			"it was on hold until 15 seconds ago": {both, heard(ago(300), ago(300)), talk, ago(15), [2]int{0, 15}},
		} {
			r := Record{talks: c.talks}
			r.Measure([2]media.Stats{c.caller, c.callee}, [2]Side{{Choice: &talk}, {Choice: &c.callee1}}, now)
			if got := [2]int{r.Media[0].SilentS, r.Media[1].SilentS}; got != c.want {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
			want := status.Party("")
			switch {
			case c.want[0] > 0:
				want = status.ByCaller
			case c.want[1] > 0:
				want = status.ByCallee
			}
			if got := r.OneWay(); got != want {
				t.Errorf("%s: %q was not heard, want %q", name, got, want)
			}
		}
	})
}
