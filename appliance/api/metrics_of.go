package api

import (
	"maps"
	"slices"
	"strconv"

	"viaduct/appliance/sipcount"
	"viaduct/appliance/status"
)

// machine writes what the board does.
func (m *metrics) machine(v status.System) {
	m.head("viaduct_processor_seconds_total", "counter", "Time that a processor has spent, busy or idle")
	for n, p := range v.Processors {
		m.value("viaduct_processor_seconds_total", p.Busy.Seconds(), "processor", strconv.Itoa(n), "mode", "busy")
		m.value("viaduct_processor_seconds_total", p.Idle.Seconds(), "processor", strconv.Itoa(n), "mode", "idle")
	}
	m.head("viaduct_storage_free_bytes", "gauge", "Free memory of the machine, and free flash")
	m.value("viaduct_storage_free_bytes", float64(v.RAM.Free), "storage", "memory")
	m.value("viaduct_storage_free_bytes", float64(v.Flash.Free), "storage", "flash")
	m.head("viaduct_storage_size_bytes", "gauge", "Memory of the machine, and its flash")
	m.value("viaduct_storage_size_bytes", float64(v.RAM.Total), "storage", "memory")
	m.value("viaduct_storage_size_bytes", float64(v.Flash.Total), "storage", "flash")
	m.head("viaduct_temperature_celsius", "gauge", "Temperature of the processor, if the board says")
	if v.Temperature != nil {
		m.value("viaduct_temperature_celsius", *v.Temperature)
	}
}

func (m *metrics) ports(ports []status.Port) {
	m.head("viaduct_port_up", "gauge", "1 when the network port has a link")
	for _, p := range ports {
		m.value("viaduct_port_up", truth(p.State == status.LinkUp), "port", p.Name)
	}
	each := func(name, help string, of func(status.Counters) uint64) {
		m.head(name, "counter", help)
		for _, p := range ports {
			m.value(name, float64(of(p.Rx)), "port", p.Name, "direction", "in")
			m.value(name, float64(of(p.Tx)), "port", p.Name, "direction", "out")
		}
	}
	each("viaduct_port_bytes_total", "Octets of a network port", func(c status.Counters) uint64 { return c.Octets })
	each("viaduct_port_packets_total", "Packets of a network port", func(c status.Counters) uint64 { return c.Packets })
	each("viaduct_port_errors_total", "Packets with errors, and dropped ones", func(c status.Counters) uint64 { return c.Errors + c.Dropped })
}

// presence writes how the presence-services do. The names of users are no labels: a tenant has thousands.
func (m *metrics) presence(p status.Presence) {
	each := func(name, kind, help string, of func(status.PresenceService) float64) {
		m.head(name, kind, help)
		for _, s := range p.Services {
			m.value(name, of(s), "service", s.Name)
		}
	}
	each("viaduct_presence_up", "gauge", "1 when Microsoft Graph answered the last poll of a presence-service", func(s status.PresenceService) float64 { return truth(s.State == status.PresenceWorking) })
	each("viaduct_presence_latency_seconds", "gauge", "How long Microsoft Graph took for the last poll", func(s status.PresenceService) float64 { return s.Latency.Seconds() })
	each("viaduct_presence_users", "gauge", "Teams users that are identities of the box", func(s status.PresenceService) float64 { return float64(s.Matched) })
	each("viaduct_presence_unmatched", "gauge", "Problems of matching Teams users", func(s status.PresenceService) float64 { return float64(len(s.Problems)) })
	each("viaduct_presence_polls_total", "counter", "Polls of the presence of Teams users", func(s status.PresenceService) float64 { return float64(s.Counters.Polls) })
	each("viaduct_presence_failed_total", "counter", "Polls that failed", func(s status.PresenceService) float64 { return float64(s.Counters.Failed) })
	each("viaduct_presence_throttled_total", "counter", "Answers 429 of Microsoft Graph", func(s status.PresenceService) float64 { return float64(s.Counters.Throttled) })
	each("viaduct_presence_reported_total", "counter", "Calls of the PBX that were reported to Teams", func(s status.PresenceService) float64 { return float64(s.Counters.Reports) })
}

// redundancy has no series while the box is one of no pair.
func (m *metrics) redundancy(r status.Redundancy) {
	if r.State == status.PairOff {
		return
	}
	m.head("viaduct_pair_active", "gauge", "1 when this box of the pair is the active one")
	m.value("viaduct_pair_active", truth(r.State == status.PairActive || r.State == status.PairSwitching))
	m.head("viaduct_pair_protected", "gauge", "1 when the standby of the pair, this box or the other one, could take over now")
	m.value("viaduct_pair_protected", truth(r.Protected()))
	m.head("viaduct_pair_takeovers_total", "counter", "How often a box of the pair has become the active one")
	m.value("viaduct_pair_takeovers_total", float64(r.Reign))
	m.head("viaduct_pair_path_up", "gauge", "1 when a port of the pair has a link, and its witness is not silent")
	for _, p := range r.Ports {
		m.value("viaduct_pair_path_up", truth(p.Carrier && p.Witness != "silent"), "interface", p.Name)
	}
	m.head("viaduct_pair_linked", "gauge", "1 when the direct path carries what the boxes copy")
	m.value("viaduct_pair_linked", truth(r.Other.Linked))
	m.head("viaduct_pair_entries", "gauge", "What the standby has copied, by what it is")
	for _, kind := range slices.Sorted(maps.Keys(r.Replication.Entries)) {
		m.value("viaduct_pair_entries", float64(r.Replication.Entries[kind]), "kind", kind)
	}
	m.head("viaduct_pair_differences", "gauge", "What both boxes should have alike, and do not")
	m.value("viaduct_pair_differences", float64(len(r.Differences)))
}

// fleet has no series while the box belongs to none.
func (m *metrics) fleet(f status.Fleet) {
	if f.Name == "" {
		return
	}
	m.head("viaduct_fleet_connected", "gauge", "1 when the box is connected with the hub of its fleet")
	m.value("viaduct_fleet_connected", truth(f.State == status.FleetConnected))
	m.head("viaduct_fleet_leased", "gauge", "Licenses that the box has from the hub's pools")
	for _, l := range f.Leases {
		m.value("viaduct_fleet_leased", float64(l.Count), "kind", l.Kind)
	}
	m.head("viaduct_fleet_lease_until_seconds", "gauge", "When these licenses end unless the hub gives them again, in seconds since 1970; with the time of grace")
	for _, l := range f.Leases {
		if end := l.Grace; !end.IsZero() {
			m.value("viaduct_fleet_lease_until_seconds", float64(end.Unix()), "kind", l.Kind)
		}
	}
	m.head("viaduct_fleet_tunnels", "gauge", "Connections of operators through the hub")
	m.value("viaduct_fleet_tunnels", float64(len(f.Tunnels)))
	m.head("viaduct_fleet_unsent_bytes", "gauge", "What the hub does not have yet")
	for _, s := range f.Sent {
		m.value("viaduct_fleet_unsent_bytes", float64(s.Waiting), "what", s.What)
	}
}

// codeLabel names the final response of an attempt.
func codeLabel(code int) string {
	if code == 0 {
		return "none"
	}
	return sipcount.CodeName(code)
}

// traffic writes the calls that have ended.
func (m *metrics) traffic(t status.TrafficTotals) {
	m.head("viaduct_calls_ended_total", "counter", "Calls that have ended, by whether they were answered")
	m.value("viaduct_calls_ended_total", float64(t.Answered), "answered", "yes")
	m.value("viaduct_calls_ended_total", float64(t.Calls-t.Answered), "answered", "no")
	m.head("viaduct_calls_one_way_total", "counter", "Answered calls in which one side was not heard")
	m.value("viaduct_calls_one_way_total", float64(t.OneWay))
	m.head("viaduct_call_attempts_total", "counter", "Calls from the peer of an interface (in), and calls that it was tried with (out), by the final response")
	for _, i := range t.Interfaces {
		direction := "in"
		if i.Outgoing {
			direction = "out"
		}
		codes := map[string]int{"200": i.Answered}
		for _, f := range i.Failed {
			codes[codeLabel(f.Code)] += f.N
		}
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			m.value("viaduct_call_attempts_total", float64(codes[code]), "interface", i.Interface, "direction", direction, "code", code)
		}
	}
	m.head("viaduct_presence_refused_total", "counter", "Calls that an interface was not asked to take, because the Teams user does not want to be rung")
	for _, i := range t.Interfaces {
		n := 0
		for _, f := range i.Failed {
			if f.Outcome == status.Declined {
				n += f.N
			}
		}
		if n > 0 {
			m.value("viaduct_presence_refused_total", float64(n), "interface", i.Interface)
		}
	}
	m.head("viaduct_call_setup_seconds", "histogram", "Time from the INVITE to the answer of calls that were answered")
	m.histogram("viaduct_call_setup_seconds", t.SetUp)
	m.head("viaduct_mos", "histogram", "Mean opinion score of what the peer of an interface sent, call by call (ITU-T G.107)")
	for _, i := range t.MOS {
		m.histogram("viaduct_mos", i.MOS, "interface", i.Interface)
	}
}

func (m *metrics) licenses(l status.Licenses) {
	m.head("viaduct_licenses", "gauge", "Size of a license pool")
	for _, p := range l.Pools {
		m.value("viaduct_licenses", float64(p.Total), "pool", p.Name)
	}
	m.head("viaduct_licenses_in_use", "gauge", "Licenses in use")
	for _, p := range l.Pools {
		m.value("viaduct_licenses_in_use", float64(p.Alloc), "pool", p.Name)
	}
	m.head("viaduct_licenses_refused_total", "counter", "Requests that found a license pool too small")
	for _, p := range l.Peaks {
		m.value("viaduct_licenses_refused_total", float64(p.Refused), "pool", p.Name)
	}
}

func (m *metrics) registrations(list []status.Registration) {
	states := map[status.RegistrationState]int{}
	for _, r := range list {
		states[r.State]++
	}
	m.head("viaduct_registrations", "gauge", "Identities that register, by state")
	for s := status.Registering; s <= status.RegistrationFailed; s++ {
		m.value("viaduct_registrations", float64(states[s]), "state", s.String())
	}
	m.head("viaduct_registered", "gauge", "1 when the identity is registered")
	for _, r := range list {
		m.value("viaduct_registered", truth(r.State == status.Registered), "gateway", r.Gateway, "identity", r.Identity, "aor", r.AOR, "registrar", r.Registrar)
	}
}

func (m *metrics) gateways(list []status.Gateway) {
	m.head("viaduct_gateway_up", "gauge", "1 when the SIP gateway's sockets are open")
	for _, g := range list {
		for _, i := range g.Interfaces {
			m.value("viaduct_gateway_up", truth(i.State == status.GatewayUp), "gateway", g.Name, "interface", i.Name)
		}
	}
	m.head("viaduct_sip_connections", "gauge", "Open connections of a SIP gateway")
	for _, g := range list {
		m.value("viaduct_sip_connections", float64(g.Connections), "gateway", g.Name)
	}
	each := func(name, help string, of func(status.Gateway) uint64) {
		m.head(name, "counter", help)
		for _, g := range list {
			m.value(name, float64(of(g)), "gateway", g.Name)
		}
	}
	each("viaduct_sip_untrusted_total", "Datagrams and connections of strangers, dropped", func(g status.Gateway) uint64 { return g.Untrusted })
	each("viaduct_sip_malformed_total", "SIP messages that could not be parsed", func(g status.Gateway) uint64 { return g.Malformed })
	each("viaduct_sip_refused_total", "SIP requests that the check answered with an error", func(g status.Gateway) uint64 { return g.Refused })
	each("viaduct_sip_surplus_total", "SIP messages beyond the limits of their source", func(g status.Gateway) uint64 { return g.Surplus })
}

// messages writes the SIP messages of each interface, those of a direction, method or code that there were.
func (m *metrics) messages(peers []status.Peer) {
	each := func(name, help string, of func(x status.SIPMessages, value func(n uint64, labels ...string))) {
		m.head(name, "counter", help)
		for _, p := range peers {
			for _, way := range []struct {
				direction string
				status.SIPMessages
			}{{"in", p.Messages.Received}, {"out", p.Messages.Sent}} {
				of(way.SIPMessages, func(n uint64, labels ...string) {
					m.value(name, float64(n), append([]string{"interface", p.Interface, "peer", p.Peer, "direction", way.direction}, labels...)...)
				})
			}
		}
	}
	counts := func(list []status.SIPCount, label string, value func(uint64, ...string)) {
		for _, c := range list {
			value(c.N, label, c.Of)
		}
	}
	each("viaduct_sip_requests_total", "SIP requests from the peer of an interface (in) and to it (out)",
		func(x status.SIPMessages, value func(uint64, ...string)) { counts(x.Requests, "method", value) })
	each("viaduct_sip_responses_total", "SIP responses from the peer of an interface (in) and to it (out)",
		func(x status.SIPMessages, value func(uint64, ...string)) { counts(x.Responses, "code", value) })
	each("viaduct_sip_repeated_total", "SIP messages that came or went a second time, in the counts of requests and responses as well",
		func(x status.SIPMessages, value func(uint64, ...string)) { value(x.Repeated) })
}

func (m *metrics) certificates(keys []status.Key) {
	m.head("viaduct_certificate_not_after_seconds", "gauge", "End of a certificate in the key store, in seconds since 1970")
	for _, k := range keys {
		if k.Kind == status.KeyCertificate && !k.NotAfter.IsZero() {
			m.value("viaduct_certificate_not_after_seconds", float64(k.NotAfter.Unix()), "name", k.Name)
		}
	}
}

// media sums up what the peers of each interface send in the calls in progress. The figures of single calls are in their records.
func (m *metrics) media(calls []status.Call) {
	type sum struct{ legs, rated, heard, timed, packets, sent, lost, jitter, trip, burst, mos float64 }
	sums := map[string]*sum{}
	for _, c := range calls {
		for _, l := range c.Legs {
			s := sums[l.Interface]
			if s == nil {
				s = &sum{}
				sums[l.Interface] = s
			}
			s.legs++
			s.packets += float64(l.Received)
			s.sent += float64(l.Sent)
			s.lost += float64(max(l.Lost, 0))
			s.jitter += l.JitterMS
			if l.RoundTripMS > 0 {
				s.timed++
				s.trip += l.RoundTripMS
			}
			if l.BurstRatio > 0 {
				s.heard++
				s.burst += l.BurstRatio
			}
			if l.MOS > 0 {
				s.rated++
				s.mos += l.MOS
			}
		}
	}
	names := slices.Sorted(maps.Keys(sums))
	each := func(name, help string, value func(s *sum) (float64, bool)) {
		m.head(name, "gauge", help)
		for _, n := range names {
			if v, ok := value(sums[n]); ok {
				m.value(name, v, "interface", n)
			}
		}
	}
	each("viaduct_media_packets", "RTP packets received in the calls in progress", func(s *sum) (float64, bool) { return s.packets, true })
	each("viaduct_media_sent", "RTP packets sent in the calls in progress", func(s *sum) (float64, bool) { return s.sent, true })
	each("viaduct_media_lost", "RTP packets of the peers that did not come, in the calls in progress", func(s *sum) (float64, bool) { return s.lost, true })
	each("viaduct_media_jitter_seconds", "Mean jitter of the calls in progress", func(s *sum) (float64, bool) { return s.jitter / s.legs / 1000, true })
	each("viaduct_media_round_trip_seconds", "Mean round trip to the peers of the calls in progress, by RTCP",
		func(s *sum) (float64, bool) { return s.trip / s.timed / 1000, s.timed > 0 })
	each("viaduct_media_burst_ratio", "Mean burst ratio of the losses in the calls in progress, 1: as by chance (ITU-T G.107)",
		func(s *sum) (float64, bool) { return s.burst / s.heard, s.heard > 0 })
	each("viaduct_media_mos", "Mean opinion score of the calls in progress (ITU-T G.107)", func(s *sum) (float64, bool) { return s.mos / s.rated, s.rated > 0 })
}
