package call

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/callside"
	"viaduct/appliance/media"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
	"viaduct/appliance/srtp"
	"viaduct/appliance/status"
)

// measured is a media session that has seen a call.
type measured struct {
	MediaSession
	stats [2]media.Stats
}

func (m measured) Stats(s media.Side) media.Stats { return m.stats[s] }
func (m measured) Close() [2]media.Stats          { return m.stats }

// What a record says of the media: of each side what its peer sent, also when that peer came by transfer and is reached through a
// second session.
func TestRecordHasTheFiguresOfBothPeers(t *testing.T) {
	pcma := &sdp.Choice{Addr: netip.MustParseAddrPort("[2001:db8::9]:4002"), Codec: sdp.Codec{PT: 8, Name: sdp.PCMA, Rate: 8000}}
	secure := *pcma
	secure.Addr = netip.MustParseAddrPort("192.0.2.9:4000")
	secure.Local = &sdp.Crypto{Suite: srtp.AES80}
	caller := media.Stats{Received: 1000, Sent: 990, Lost: 20, Jitter: 1500 * time.Microsecond, RoundTrip: 62500 * time.Microsecond,
		Quality: audio.Quality{R: 86.19, MOS: 4.2345, BurstRatio: 1.456}, Drops: media.Drops{Foreign: 3}}
	callee := media.Stats{Received: 980, Sent: 1000, Lost: -1, Quality: audio.Quality{R: 93.2, MOS: 4.409, BurstRatio: 1}}
	between := media.Stats{Received: 1, Sent: 1}
	const wantCaller = `{"side":"caller","codec":"PCMA/8000","suite":"AES_CM_128_HMAC_SHA1_80","local":"192.0.2.1:16384","remote":"192.0.2.9:4000","received":1000,"sent":990,"lost":20,"jitter_ms":1.5,"round_trip_ms":62.5,"burst_ratio":1.46,"mos":4.23,"foreign":3}`
	const wantCallee = `{"side":"callee","codec":"PCMA/8000","remote":"[2001:db8::9]:4002","received":980,"sent":1000,"lost":-1,"jitter_ms":0,"burst_ratio":1,"mos":4.41}`
	for name, c := range map[string]*call{
		"two peers":                   {media: measured{stats: [2]media.Stats{caller, callee}}},
		"a callee behind a relay hop": {media: measured{stats: [2]media.Stats{caller, between}}, b: side{Hop: &callside.Hop{Session: measured{stats: [2]media.Stats{between, callee}}}}},
		"a caller behind a relay hop": {media: measured{stats: [2]media.Stats{between, callee}}, a: side{Hop: &callside.Hop{Session: measured{stats: [2]media.Stats{between, caller}}}}},
	} {
		c.a.Which, c.b.Which = media.A, media.B
		c.a.Ports.RTP = netip.MustParseAddrPort("192.0.2.1:16384")
		c.a.Negotiation, c.b.Negotiation = negotiation.Restore(negotiation.State{Choice: &secure}), negotiation.Restore(negotiation.State{Choice: pcma})
		c.record.Measure(c.closeMedia(), c.kept(), time.Now())
		got, err := json.Marshal(c.record)
		if err != nil || !strings.Contains(string(got), `"media":[`+wantCaller+","+wantCallee+"]") {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
}

// A call has a course from its first figures after the connection on, and its record has that.
func TestARecordHasTheCourseOfBothVoices(t *testing.T) { synctest.Test(t, recordHasCourse) }

func recordHasCourse(t *testing.T) {
	pcma := &sdp.Choice{Addr: netip.MustParseAddrPort("192.0.2.9:4000"), Codec: sdp.Codec{PT: 8, Name: sdp.PCMA, Rate: 8000}}
	relay := &measured{}
	c := &call{media: relay, a: side{Which: media.A}, b: side{Which: media.B}}
	c.a.Negotiation, c.b.Negotiation = negotiation.Restore(negotiation.State{Choice: pcma}), negotiation.Restore(negotiation.State{Choice: pcma})
	c.record.Started = time.Now().Add(-time.Minute)
	if s := c.snapshot(); s.course != nil {
		t.Error("a call that rings has a course")
	}
	c.record.Connected = c.record.Started.Add(40 * time.Second)
	s := c.snapshot()
	s.Legs = []status.Leg{{Codec: "PCMA/8000", Media: status.Media{Received: 500}}, {Codec: "PCMA/8000"}}
	s.media = []mediaSide{{session: relay, of: media.A}, {session: relay, of: media.B}}
	s.listened()
	relay.stats = [2]media.Stats{{Received: 900, Lost: 100}, {Received: 800}}
	r := c.record
	r.Measure(c.closeMedia(), c.kept(), c.record.Started.Add(71*time.Second))
	var got []string
	for _, m := range r.Kept().Media {
		text, err := json.Marshal(m.Course)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	want := []string{`{"start_s":60,"step_s":5,"loss_permille":[0,-1,200],"jitter_ms":[0,-1,0],"r":[93,-1,51]}`, `{"start_s":60,"step_s":5,"loss_permille":[-1,-1,0],"jitter_ms":[-1,-1,0],"r":[-1,-1,93]}`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
