package api

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Metrics writes what the box knows about itself. Names keep to the Prometheus conventions. Labels hold only names from the configuration
// and words of the box, so that peers cannot make series.
func (b *backend) Metrics(w io.Writer) error {
	var m metrics
	v := b.box.System()
	m.head("viaduct_info", "gauge", "Release and board")
	m.value("viaduct_info", 1, "release", v.Release, "commit", v.Commit, "board", v.Board, "serial", v.Serial)
	m.head("viaduct_uptime_seconds", "gauge", "Time since the box started")
	m.value("viaduct_uptime_seconds", time.Since(v.Started).Seconds())
	m.head("viaduct_memory_bytes", "gauge", "Memory in use by sbcd")
	m.value("viaduct_memory_bytes", float64(v.Memory))
	m.machine(v)
	m.ports(b.box.Ports())

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
	m.traffic(b.box.TrafficTotals())
	m.licenses(b.box.Licenses())
	m.registrations(b.box.Registrations())
	m.head("viaduct_peer_up", "gauge", "1 when the peer takes calls: it answers OPTIONS without refusing them, or gets none")
	peers := b.box.Peers()
	for _, p := range peers {
		m.value("viaduct_peer_up", truth(p.State != status.PeerDown && p.State != status.PeerRefuses), "interface", p.Interface, "peer", p.Peer)
	}
	m.gateways(b.box.Gateways())
	m.messages(peers)
	m.certificates(b.box.PKI())
	m.presence(b.box.Presence())
	m.fleet(b.box.Fleet())
	m.redundancy(b.box.Redundancy())
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

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics builds the Prometheus text format.
type metrics struct {
	bytes.Buffer
	series map[string]bool // that are written: a collector refuses all of a text in which one comes twice
}

// labelEscapes are the only ones that the format knows.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (m *metrics) head(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// value writes one sample; labels are names and values in turn.
func (m *metrics) value(name string, v float64, labels ...string) {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, `%s%s="%s"`, sep, labels[i], labelEscapes.Replace(printable.Text(labels[i+1])))
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	series := b.String()
	if m.series[series] {
		return
	}
	if m.series == nil {
		m.series = map[string]bool{}
	}
	m.series[series] = true
	m.WriteString(series + " " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// histogram writes the samples of a histogram, whose buckets count what is in those below, too.
func (m *metrics) histogram(name string, h status.Histogram, labels ...string) {
	n := 0
	for i, count := range h.Counts {
		n += count
		bound := "+Inf"
		if i < len(h.Bounds) {
			bound = strconv.FormatFloat(h.Bounds[i], 'g', -1, 64)
		}
		m.value(name+"_bucket", float64(n), append(slices.Clone(labels), "le", bound)...)
	}
	m.value(name+"_sum", h.Sum, labels...)
	m.value(name+"_count", float64(n), labels...)
}
