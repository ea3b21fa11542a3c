package snmp

import (
	"encoding/hex"
	"math"
	"strings"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// Groups of VIADUCT-SBC-MIB.
var (
	objects       = viaduct.and(1)
	box           = objects.and(1)
	calls         = objects.and(2)
	licenses      = objects.and(3)
	registrations = objects.and(4)
	peers         = objects.and(5)
	alarms        = objects.and(6)
	alarmNow      = alarms.and(6) // objects of notifications
	gateways      = objects.and(7)
	media         = objects.and(8)
	pair          = objects.and(9)
)

// own adds VIADUCT-SBC-MIB. Rows are numbered in the order of the configuration.
func (r *Responder) own(t *tree, v View) {
	temperature := math.MinInt32 // the board does not say
	if v.System.Temperature != nil {
		temperature = int(math.Round(*v.System.Temperature * 10))
	}
	t.scalars(box, 1, text(v.System.Release), text(v.System.Board), text(v.System.Serial), gauge(v.System.Memory/kib), number(temperature), truth(v.Clock.Synced))

	states := map[status.CallState]int{}
	for _, c := range v.Calls {
		states[c.State]++
	}
	t.scalar(calls.and(1), gauge(len(v.Calls)))
	for n, s := range status.CallStates() {
		t.scalar(calls.and(uint32(n)+2), gauge(states[s]))
	}
	t.scalars(calls, uint32(len(status.CallStates()))+2, counter64(v.System.Overload.Refused), gauge(int(v.System.Overload.Wait/time.Millisecond)))

	peaks := map[string]status.Peak{}
	for _, p := range v.Licenses.Peaks {
		peaks[p.Name] = p
	}
	for n, p := range v.Licenses.Pools {
		t.row(licenses.and(1, 1), oid{uint32(n + 1)}, columns(2, text(p.Name), gauge(p.Total), gauge(p.Alloc), gauge(p.Free), gauge(peaks[p.Name].Most), counter32(uint64(peaks[p.Name].Refused)))...)
	}

	standing := map[status.RegistrationState]int{}
	for n, x := range v.Registrations {
		standing[x.State]++
		t.row(registrations.and(4, 1), oid{uint32(n + 1)}, columns(2, text(x.Gateway), text(x.Identity), text(x.AOR), text(x.Registrar), number(x.State+1), number(x.Code), text(x.Reason))...)
	}
	t.scalars(registrations, 1, gauge(standing[status.Registered]), gauge(standing[status.Registering]), gauge(standing[status.RegistrationFailed]))

	up, down := 0, 0
	for n, p := range v.Peers {
		switch p.State {
		case status.PeerUp:
			up++
		case status.PeerDown, status.PeerRefuses:
			down++
		}
		in, out := p.Messages.Received, p.Messages.Sent
		t.row(peers.and(3, 1), oid{uint32(n + 1)}, columns(2, text(p.Interface), text(p.Peer), number(p.State+1), number(p.Code), text(p.Answer), gauge(int(p.RTT/time.Millisecond)), date(p.Heard),
			counter64(total(in.Requests)), counter64(total(out.Requests)), counter64(total(in.Responses)), counter64(total(out.Responses)), counter64(in.Repeated), counter64(out.Repeated))...)
	}
	t.scalars(peers, 1, gauge(up), gauge(down))

	worst := map[health.Severity]int{}
	for n, a := range v.Alarms {
		worst[a.Severity]++
		t.row(alarms.and(5, 1), oid{uint32(n + 1)}, columns(2, alarmValues(a)...)...)
	}
	t.scalars(alarms, 1, gauge(worst[health.Critical]), gauge(worst[health.Error]), gauge(worst[health.Warning]), gauge(worst[health.Info]))

	for n, g := range v.Gateways {
		t.row(gateways.and(1, 1), oid{uint32(n + 1)}, columns(2, text(g.Name), gauge(g.Connections), gauge(g.Legs), counter64(g.Requests), counter64(g.Untrusted), counter64(g.Malformed),
			counter64(g.Refused), counter64(g.Surplus), counter64(g.Shed))...)
	}
	r.sound(t, v)

	p := v.Redundancy
	t.scalars(pair, 1, number(p.State+1), gauge(int(p.Box)), truth(p.Protected()), text(p.Other.Serial), gauge(p.Reign), gauge(len(p.Differences)))
}

// total is how many messages there were of all methods, or codes.
func total(list []status.SIPCount) (n uint64) {
	for _, c := range list {
		n += c.N
	}
	return n
}

// alarmValues are the columns of an alarm, and the variables of its traps.
func alarmValues(a health.Alarm) []value {
	return []value{text(a.ID), number(a.Severity + 1), text(a.Subject), text(a.Text), text(a.Advice), date(a.Since)}
}

// sound adds what each peer sends in the calls in progress, by the rows of the peers.
func (r *Responder) sound(t *tree, v View) {
	type sum struct {
		legs, rated, tripped int
		received, sent, lost uint64
		jitter, trip, mos    float64
	}
	sums := map[string]*sum{}
	for _, p := range v.Peers {
		sums[p.Interface] = &sum{}
	}
	for _, c := range v.Calls {
		for _, l := range c.Legs {
			s := sums[l.Interface]
			if s == nil {
				continue // the interface has gone from the configuration
			}
			s.legs++
			s.received, s.sent, s.lost = s.received+l.Received, s.sent+l.Sent, s.lost+uint64(max(l.Lost, 0))
			s.jitter += l.JitterMS
			if l.RoundTripMS > 0 {
				s.trip, s.tripped = s.trip+l.RoundTripMS, s.tripped+1
			}
			if l.MOS > 0 {
				s.mos, s.rated = s.mos+l.MOS, s.rated+1
			}
		}
	}
	mean := func(all float64, n int) value { return gauge(int(math.Round(all / float64(max(n, 1))))) }
	for n, p := range v.Peers {
		s := sums[p.Interface]
		t.row(media.and(1, 1), oid{uint32(n + 1)}, columns(1, gauge(s.legs), gauge(s.received), gauge(s.sent), gauge(s.lost),
			mean(s.jitter*1000, s.legs), mean(s.trip, s.tripped), mean(s.mos*100, s.rated))...)
	}
}

// hardware is the octets of a hardware address.
func hardware(mac string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(mac, ":", ""))
	if err != nil {
		return nil
	}
	return b
}
