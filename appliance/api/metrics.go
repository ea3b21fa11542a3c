package api

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Metrics writes what the box knows about itself. Names keep to the Prometheus conventions; labels hold only names from
// the configuration.
func (b *backend) Metrics(w io.Writer) error {
	var m metrics
	v := b.box.System()
	m.head("viaduct_info", "gauge", "Release and board")
	m.value("viaduct_info", 1, "release", v.Release, "commit", v.Commit, "board", v.Board, "serial", v.Serial)
	m.head("viaduct_uptime_seconds", "gauge", "Time since the box started")
	m.value("viaduct_uptime_seconds", time.Since(v.Started).Seconds())
	m.head("viaduct_memory_bytes", "gauge", "Memory in use by sbcd")
	m.value("viaduct_memory_bytes", float64(v.Memory))

	states, calls := map[status.CallState]int{}, b.box.Calls()
	for _, c := range calls {
		states[c.State]++
	}
	m.head("viaduct_calls", "gauge", "Calls in progress")
	for _, s := range status.CallStates() {
		m.value("viaduct_calls", float64(states[s]), "state", s.String())
	}
	m.head("viaduct_calls_shed_total", "counter", "New calls that were refused because more came than the box can carry")
	m.value("viaduct_calls_shed_total", float64(v.Overload.Refused))
	m.head("viaduct_call_wait_seconds", "gauge", "How long new calls wait until they are handled")
	m.value("viaduct_call_wait_seconds", v.Overload.Wait.Seconds())
	m.media(calls)
	pools := b.box.Licenses().Pools
	m.head("viaduct_license_total", "gauge", "Size of a license pool")
	for _, p := range pools {
		m.value("viaduct_license_total", float64(p.Total), "pool", p.Name)
	}
	m.head("viaduct_license_alloc", "gauge", "Licenses in use")
	for _, p := range pools {
		m.value("viaduct_license_alloc", float64(p.Alloc), "pool", p.Name)
	}
	m.head("viaduct_registered", "gauge", "1 when the identity is registered")
	for _, r := range b.box.Registrations() {
		m.value("viaduct_registered", truth(r.State == status.Registered), "gateway", r.Gateway, "identity", r.Identity, "aor", r.AOR, "registrar", r.Registrar)
	}
	m.head("viaduct_peer_up", "gauge", "1 when the peer answers OPTIONS")
	for _, p := range b.box.Peers() {
		m.value("viaduct_peer_up", truth(p.State != status.PeerDown), "interface", p.Interface, "peer", p.Peer)
	}
	m.head("viaduct_gateway_up", "gauge", "1 when the SIP gateway's sockets are open")
	for _, g := range b.box.Gateways() {
		for _, i := range g.Interfaces {
			m.value("viaduct_gateway_up", truth(i.State == status.GatewayUp), "gateway", g.Name, "interface", i.Name)
		}
	}
	m.head("viaduct_alarm", "gauge", "Alarms that are raised, by their id")
	for _, a := range b.box.AlarmCounts() {
		m.value("viaduct_alarm", float64(a.N), "id", a.ID, "severity", a.Severity.String())
	}
	c := b.box.Clock()
	m.head("viaduct_clock_synced", "gauge", "1 when the clock follows a time server")
	m.value("viaduct_clock_synced", truth(c.Synced))
	_, err := w.Write(m.Bytes())
	return err
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

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics builds the Prometheus text format.
type metrics struct{ bytes.Buffer }

// labelEscapes are the only ones that the format knows.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (m *metrics) head(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// value writes one sample; labels are names and values in turn.
func (m *metrics) value(name string, v float64, labels ...string) {
	m.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(m, `%s%s="%s"`, sep, labels[i], labelEscapes.Replace(printable.Text(labels[i+1])))
	}
	if len(labels) > 0 {
		m.WriteByte('}')
	}
	m.WriteByte(' ')
	m.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
	m.WriteByte('\n')
}
