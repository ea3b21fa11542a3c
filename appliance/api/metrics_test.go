package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
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

const hostile = "a\"b\\c\x1b[2J\nviaduct_calls 99\u202e\xff{}"

// measured is a box with a value for each metric, and names that peers and administrators may have chosen.
type measured struct{ accounts }

func (*measured) Calls() []status.Call {
	leg := status.Leg{Interface: hostile, Media: status.Media{Received: 1, JitterMS: 1, RoundTripMS: 1, BurstRatio: 1, MOS: 4}}
	return []status.Call{{State: status.CallConnected, Calling: hostile, Legs: []status.Leg{leg, leg}}}
}
func (*measured) System() status.System {
	warm := 50.5
	return status.System{Release: hostile, Started: time.Now(), Temperature: &warm, Processors: []status.Processor{{Busy: time.Second}, {Idle: time.Second}}}
}
func (*measured) Ports() []status.Port {
	return []status.Port{{Name: "eth00", State: status.LinkUp, Rx: status.Counters{Octets: 1 << 60}}, {Name: hostile}}
}
func (*measured) Peers() []status.Peer {
	return []status.Peer{{Interface: "up", State: status.PeerUp, Answer: hostile, Messages: status.SIPTraffic{
		Received: status.SIPMessages{Requests: []status.SIPCount{{Of: "INVITE", N: 5}, {Of: "other", N: 1}}, Repeated: 2},
		Sent:     status.SIPMessages{Responses: []status.SIPCount{{Of: "486", N: 3}, {Of: "4xx", N: 4}}},
	}}, {Interface: "refuses", State: status.PeerRefuses}, {Interface: "unasked", State: status.PeerUnasked}, {Interface: "down", State: status.PeerDown}, {Interface: "down", State: status.PeerDown}}
}
func (*measured) Gateways() []status.Gateway {
	return []status.Gateway{{Name: hostile, Requests: 7, Interfaces: []status.GatewayInterface{{Name: "i", State: status.GatewayUp}}}}
}
func (*measured) PKI() []status.Key {
	return []status.Key{{Kind: status.KeyCertificate, Name: "MINE", NotAfter: time.Unix(1_800_000_000, 0)}, {Kind: status.KeyCertificate, Name: hostile, NotAfter: time.Unix(1, 0)}, {Kind: status.KeyPrivate, Name: "MINE"}, {Kind: status.KeyTrusted, Name: "root", NotAfter: time.Unix(1, 0)}}
}
func (*measured) Fleet() status.Fleet {
	return status.Fleet{Name: "berlin", State: status.FleetConnected, Leases: []status.PoolLease{{Kind: "sip-sessions", Count: 12, Grace: time.Unix(1800000000, 0)}, {Kind: "srtp-channels"}},
		Tunnels: []status.Tunnel{{Operator: "anna"}}, Sent: []status.FleetSent{{What: "alarms", Waiting: 4096}}}
}

func (*measured) Redundancy() status.Redundancy {
	return status.Redundancy{State: status.PairActive, Reign: 4, Other: status.PairOther{Eligible: true, Linked: true}, Differences: []status.PairDifference{{What: "firmware"}},
		Ports:       []status.PairPort{{Name: "lan", Carrier: true, Witness: "heard"}, {Name: "wan", Carrier: true, Witness: "silent"}, {Name: hostile}},
		Replication: status.PairReplication{Entries: map[string]int{"call": 12, hostile: 1}}}
}

func (*measured) Presence() status.Presence {
	return status.Presence{Services: []status.PresenceService{
		{Name: "TEAMS", State: status.PresenceWorking, Latency: 250 * time.Millisecond, Matched: 12, Problems: []status.PresenceProblem{{User: hostile}},
			Counters: status.PresenceCounters{Polls: 100, Failed: 2, Throttled: 1, Reports: 7}},
		{Name: hostile, State: status.PresenceRefused},
	}}
}
func (*measured) Licenses() status.Licenses {
	return status.Licenses{Pools: []status.Pool{{Name: "sip-sessions", Total: 4, Alloc: 1}}, Peaks: []status.Peak{{Name: "sip-sessions", Refused: 3}}}
}
func (*measured) TrafficTotals() status.TrafficTotals {
	return status.TrafficTotals{
		Calls: 9, Answered: 6, OneWay: 1, SetUp: status.Histogram{Bounds: []float64{0.5, 1}, Counts: []int{3, 2, 1}, Sum: 7.25},
		Interfaces: []status.InterfaceTraffic{{Interface: "teams", Calls: 9, Answered: 4, Failed: []status.Failure{{Code: 486, N: 2}, {Code: 499, N: 1}, {Code: 433, N: 1}, {N: 1}}}, {Interface: "pbx", Outgoing: true, Answered: 2, Failed: []status.Failure{{Outcome: status.Declined, N: 3}, {Outcome: status.Skipped, N: 1}}}},
		MOS:        []status.InterfaceMOS{{Interface: "teams", MOS: status.Histogram{Bounds: []float64{3.6, 4}, Counts: []int{1, 0, 3}, Sum: 15.5}}},
	}
}

func text(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := NewBackend(lang.New(), &measured{accounts{cfg: config.New()}}).Metrics(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMetricsOfCallsAndPeers(t *testing.T) {
	out := text(t)
	for _, want := range []string{
		`viaduct_calls_ended_total{answered="yes"} 6`, `viaduct_calls_ended_total{answered="no"} 3`, `viaduct_calls_one_way_total 1`,
		`viaduct_call_attempts_total{interface="teams",direction="in",code="200"} 4`, `viaduct_call_attempts_total{interface="teams",direction="in",code="486"} 2`,
		`viaduct_call_attempts_total{interface="teams",direction="in",code="4xx"} 2`, `viaduct_call_attempts_total{interface="teams",direction="in",code="none"} 1`,
		`viaduct_call_attempts_total{interface="pbx",direction="out",code="200"} 2`,
		`viaduct_presence_refused_total{interface="pbx"} 3`,
		`viaduct_call_setup_seconds_bucket{le="0.5"} 3`, `viaduct_call_setup_seconds_bucket{le="1"} 5`, `viaduct_call_setup_seconds_bucket{le="+Inf"} 6`,
		`viaduct_call_setup_seconds_sum 7.25`, `viaduct_call_setup_seconds_count 6`,
		`viaduct_mos_bucket{interface="teams",le="4"} 1`, `viaduct_mos_bucket{interface="teams",le="+Inf"} 4`, `viaduct_mos_count{interface="teams"} 4`,
		`viaduct_registrations{state="registered"} 1`, `viaduct_registrations{state="registering"} 1`, `viaduct_registrations{state="failed"} 0`,
		`viaduct_peer_up{interface="up",peer=""} 1`, `viaduct_peer_up{interface="refuses",peer=""} 0`, `viaduct_peer_up{interface="unasked",peer=""} 1`, `viaduct_peer_up{interface="down",peer=""} 0`,
		`viaduct_certificate_not_after_seconds{name="MINE"} 1.8e+09`, `viaduct_licenses_refused_total{pool="sip-sessions"} 3`,
		`viaduct_sip_requests_total{interface="up",peer="",direction="in",method="INVITE"} 5`, `viaduct_sip_requests_total{interface="up",peer="",direction="in",method="other"} 1`,
		`viaduct_sip_responses_total{interface="up",peer="",direction="out",code="486"} 3`, `viaduct_sip_responses_total{interface="up",peer="",direction="out",code="4xx"} 4`,
		`viaduct_sip_repeated_total{interface="up",peer="",direction="in"} 2`, `viaduct_sip_repeated_total{interface="up",peer="",direction="out"} 0`,
		`viaduct_fleet_connected 1`, `viaduct_fleet_leased{kind="sip-sessions"} 12`, `viaduct_fleet_leased{kind="srtp-channels"} 0`, `viaduct_fleet_lease_until_seconds{kind="sip-sessions"} 1.8e+09`,
		`viaduct_pair_active 1`, `viaduct_pair_protected 1`, `viaduct_pair_takeovers_total 4`, `viaduct_pair_path_up{interface="lan"} 1`, `viaduct_pair_path_up{interface="wan"} 0`,
		`viaduct_pair_linked 1`, `viaduct_pair_entries{kind="call"} 12`, `viaduct_pair_differences 1`,
		`viaduct_fleet_tunnels 1`, `viaduct_fleet_unsent_bytes{what="alarms"} 4096`,
		`viaduct_presence_up{service="TEAMS"} 1`, `viaduct_presence_latency_seconds{service="TEAMS"} 0.25`, `viaduct_presence_users{service="TEAMS"} 12`, `viaduct_presence_unmatched{service="TEAMS"} 1`,
		`viaduct_presence_polls_total{service="TEAMS"} 100`, `viaduct_presence_failed_total{service="TEAMS"} 2`, `viaduct_presence_throttled_total{service="TEAMS"} 1`, `viaduct_presence_reported_total{service="TEAMS"} 7`,
		`viaduct_processor_seconds_total{processor="0",mode="busy"} 1`, `viaduct_alarm{id="link-down",severity="error"} 1`,
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, `viaduct_presence_refused_total{interface="teams"`) || strings.Contains(out, "\nviaduct_calls 99") || strings.Contains(out, `name="root"`) {
		t.Errorf("%s", out)
	}
}

// Debian's promtool has nothing to say about names, types, help and escapes.
func TestPromtoolTakesTheMetrics(t *testing.T) {
	cmd := osexec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text(t))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each query of the dashboard, and of the examples in the document, asks for metrics that the box has, and Prometheus can read it.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	have, series := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(text(t), -1) {
		have[m[1]], series[m[1]] = true, m[2] != "histogram"
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			series[m[1]+suffix] = m[2] == "histogram"
		}
	}
	file, err := os.ReadFile("../../docs/grafana-viaduct-sbc.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(file, &dashboard); err != nil || len(dashboard.Panels) < 10 {
		t.Fatal(err, len(dashboard.Panels))
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			rules += fmt.Sprintf("  - record: panel:%d\n    expr: '%s'\n", len(rules), strings.ReplaceAll(q.Expr, "$instance", ".*"))
		}
	}
	document, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`viaduct_\w+`)
	asked := name.FindAllString(string(file), -1)
	for _, n := range asked {
		if !series[n] {
			t.Errorf("the dashboard asks for %s, which there is not", n)
		}
	}
	if len(asked) < 20 {
		t.Errorf("only %q", asked)
	}
	for _, n := range name.FindAllString(string(document), -1) {
		if !have[n] && !series[n] {
			t.Errorf("the document tells of %s, which there is not", n)
		}
		delete(have, n)
	}
	for n := range have {
		t.Errorf("the document does not tell of %s", n)
	}
	path := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := osexec.CommandContext(t.Context(), "promtool", "check", "rules", "--lint=none", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
