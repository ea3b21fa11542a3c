package api

import (
	"strings"
	"testing"

	"viaduct/appliance/status"
)

func TestMediaMetricsAreSumsOfAnInterface(t *testing.T) {
	var m metrics
	m.media([]status.Call{
		{Legs: []status.Leg{{Interface: "teams", Media: status.Media{Received: 100, Sent: 80, Lost: 1, JitterMS: 2, RoundTripMS: 40, BurstRatio: 1.5, MOS: 4}},
			{Interface: "pbx", Media: status.Media{Received: 90}}}},
		{Legs: []status.Leg{{Interface: "teams", Media: status.Media{Received: 50, Sent: 20, JitterMS: 4, BurstRatio: 1, MOS: 4.5}}, {Interface: "pbx"}}},
		{Legs: []status.Leg{{Interface: "teams"}}},
	})
	for _, want := range []string{
		`viaduct_media_packets{interface="teams"} 150`, `viaduct_media_packets{interface="pbx"} 90`, `viaduct_media_lost{interface="teams"} 1`,
		`viaduct_media_sent{interface="teams"} 100`, `viaduct_media_round_trip_seconds{interface="teams"} 0.04`,
		`viaduct_media_burst_ratio{interface="teams"} 1.25`, `viaduct_media_jitter_seconds{interface="teams"} 0.002`, `viaduct_media_mos{interface="teams"} 4.25`,
	} {
		if !strings.Contains(m.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, m.String())
		}
	}
	for _, unknown := range []string{"mos", "round_trip_seconds", "burst_ratio"} {
		if strings.Contains(m.String(), "viaduct_media_"+unknown+`{interface="pbx"}`) {
			t.Errorf("%s of what is not known:\n%s", unknown, m.String())
		}
	}
}

func TestLabelsKeepToTheFormat(t *testing.T) {
	var m metrics
	m.value("viaduct_peer_up", 1, "peer", "a\"b\\c\x1b[2J\nviaduct_calls 99\u202e\xff")
	if got, want := m.String(), `viaduct_peer_up{peer="a\"b\\c\\x1b[2J\\x0aviaduct_calls 99\\u202e\\xff"} 1`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
