package acme

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// verdict is what peers make of a certificate.
type verdict int

const (
	undecided verdict = iota
	accepted
	refused
)

const (
	trialTime = 10 * time.Minute
	firmTime  = 15 * time.Second // a refusal counts when it has lasted so long: the first connection may have been the old one's last
)

// judgement returns what the peers that were up make of a certificate that is in use since then. A peer that is merely silent says nothing of
// it: the network may be down, and peers that cannot be reached are an alarm of their own.
func judgement(up []string, peers []status.Peer, used, now time.Time) (v verdict, why string) {
	waiting := false
	var by []string
	for _, name := range up {
		n := slices.IndexFunc(peers, func(p status.Peer) bool { return p.Interface == name })
		if n < 0 {
			continue // it is not configured any more
		}
		switch p := peers[n]; {
		case !p.Last.Add(-p.RTT).After(used): // it was asked before
			waiting = true
		case p.State == status.PeerUp:
		case p.State == status.PeerRefuses || p.Refused:
			by = append(by, p.Peer)
			why = p.Answer
			waiting = waiting || now.Before(used.Add(firmTime))
		default:
			waiting = true
		}
	}
	switch {
	case waiting && now.Before(used.Add(trialTime)):
		return undecided, ""
	case len(by) > 0:
		return refused, fmt.Sprintf("%s refused the new certificate: %s", strings.Join(by, ", "), why)
	}
	return accepted, ""
}

// alarms are those that a renewed certificate ends.
var alarms = []*health.Warnable{health.ACMEFailed, health.ACMENone, health.ACMERecord, health.ACMERefused}

// alarm tells of a failure.
func (m *machine) alarm(err error) {
	var f *failure
	advice := ""
	if errors.As(err, &f) {
		advice = f.advice
	}
	m.j.Error, m.j.Advice = err.Error(), advice
	m.e.o.Log.Warn("certificate not obtained", "name", m.name, "err", err, "count", m.j.Failures)
	m.raise()
}

// raise sets the alarms of the last failure: after a restart, too.
func (m *machine) raise() {
	if m.j.Error == "" {
		return
	}
	h := m.e.o.Health
	args := health.Args{"name": m.name, "why": m.j.Error, "advice": cmp.Or(m.j.Advice, "`show acme` has the details.")}
	h.Clear(health.ACMERecord, m.name)
	if m.j.Refused != "" {
		args["why"] = m.j.Refused
		h.Set(health.ACMERefused, args)
		h.Clear(health.ACMEFailed, m.name)
		return
	}
	if chain := m.inUse(); chain != nil && time.Now().Before(chain[0].NotAfter) {
		args["end"] = m.end()
		h.Set(health.ACMEFailed, args)
		h.Clear(health.ACMENone, m.name)
		return
	}
	h.Set(health.ACMENone, args)
	h.Clear(health.ACMEFailed, m.name)
}

// gone ends the alarms of a profile that is not configured any more. Its journal stays: the profile may come back with the next paste.
func (m *machine) gone() {
	for _, w := range alarms {
		m.e.o.Health.Clear(w, m.name)
	}
	m.e.forget(m.name)
}

// publish makes the state visible.
func (m *machine) publish() {
	certificate, _ := m.p.Target()
	url := directoryURL(m.p)
	st := status.ACME{Name: m.name, State: m.j.State, Directory: url, Names: m.p.Names, Challenge: string(m.p.Challenge), Certificate: string(certificate),
		Renew: m.due, Failures: m.j.Failures, Error: m.j.Error}
	if m.j.Held.After(time.Now()) {
		st.Held = m.j.Held
	}
	if chain := m.inUse(); chain != nil {
		st.NotBefore, st.NotAfter = chain[0].NotBefore, chain[0].NotAfter
		st.Advised = !m.j.Window.Start.IsZero() && m.j.Advised == pki.Fingerprint(chain[0])
	}
	if m.j.Failures > 0 {
		st.Next = retry(m.j.Failures, m.j.Last, m.j.Held)
		m.raise()
	}
	if a, err := m.e.readAccount(url); err == nil {
		st.Account, st.Records = a.URL, a.records(m.p)
	}
	m.e.show(st)
}
