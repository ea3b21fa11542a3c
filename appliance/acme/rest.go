package acme

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	lib "github.com/mholt/acmez/v3/acme"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// inUse is the chain in use, nil when it or its key is missing, they do not belong together, or an internal CA has issued it: the profile has
// taken over a name of the LAN then.
func (m *machine) inUse() []*x509.Certificate {
	certificate, key := m.p.Target()
	chain, err := m.e.o.Store.Certificates(pki.Name(certificate))
	if err != nil || len(chain) == 0 || pki.Internal(chain[0]) {
		return nil
	}
	private, err := m.e.o.Store.PrivateKey(pki.Name(key))
	if err != nil || pki.Belongs(chain[0], private) != nil {
		return nil
	}
	return chain
}

// dueAt returns when the certificate is to be renewed: at once when there is none, or it lacks a name.
func (m *machine) dueAt(chain []*x509.Certificate, now time.Time) time.Time {
	if chain == nil {
		return now
	}
	for _, name := range m.p.Names {
		if chain[0].VerifyHostname(name) != nil {
			return now
		}
	}
	w := Window{}
	if m.j.Advised == pki.Fingerprint(chain[0]) {
		w = m.j.Window
	}
	return due(chain[0], w)
}

const clockPause = 10 * time.Second

// rest waits until the certificate is due, and orders one.
func (m *machine) rest(ctx context.Context, asked bool) (time.Time, bool) {
	now := time.Now()
	chain := m.inUse()
	if m.e.o.Clock() != nil {
		if m.due = m.dueAt(chain, now); !m.due.After(now) || asked {
			m.enter(status.ACMEClock)
		}
		return now.Add(clockPause), false
	}
	if m.j.Failures > 0 && m.j.For != m.terms() {
		m.j.Failures = 0 // an administrator has done something about it
	}
	again := retry(m.j.Failures, m.j.Last, m.j.Held)
	if err := m.prepare(ctx, chain, now, asked || !now.Before(again)); err != nil {
		return m.fail(err)
	}
	m.due = m.dueAt(chain, now)
	if !asked {
		if now.Before(m.due) {
			m.enter(restState(m.j.Failures))
			return m.due, false
		}
		if now.Before(again) {
			m.enter(restState(m.j.Failures))
			return again, false
		}
	}
	return m.order(ctx, chain, asked)
}

func restState(failures int) status.ACMEState {
	if failures > 0 {
		return status.ACMEFailed
	}
	return status.ACMEIdle
}

// prepare asks the authority for what is wanted before a certificate is due: advice when to renew it, and the account that TXT records
// name. That advice is not got is no failure.
func (m *machine) prepare(ctx context.Context, chain []*x509.Certificate, now time.Time, may bool) error {
	url := directoryURL(m.p)
	if m.p.Challenge == config.ChallengeDNS && may {
		if a, err := m.e.readAccount(url); err != nil {
			return err
		} else if a.URL == "" {
			s, err := m.e.open(m.p, url)
			if err == nil {
				err = s.signIn(ctx)
			}
			if err != nil {
				m.hold(s)
				return err
			}
		}
	}
	if chain == nil || now.Before(m.j.Ask) || now.Before(m.j.Held) {
		return nil
	}
	m.j.Ask = adviceAt(now, time.Time{})
	s, err := m.e.open(m.p, url)
	if err != nil {
		return nil
	}
	info, err := s.client.GetRenewalInfo(ctx, chain[0])
	m.hold(s)
	switch {
	case err != nil:
		m.e.o.Log.Debug("no advice when to renew", "name", m.name, "err", err)
	default:
		var wanted time.Time
		if info.RetryAfter != nil {
			wanted = *info.RetryAfter
		}
		m.j.Ask, m.j.Advised = adviceAt(now, wanted), pki.Fingerprint(chain[0])
		m.j.Window = Window{info.SuggestedWindow.Start, info.SuggestedWindow.End}
	}
	return m.save()
}

// hold remembers that the authority wants to be left alone.
func (m *machine) hold(s *session) {
	if s != nil && s.guard.Held().After(m.j.Held) {
		m.j.Held = s.guard.Held()
	}
}

const (
	recordPause = time.Minute
	// recordTime is how long an order waits for a TXT record to be seen from here. Name servers of the LAN may have another view than the
	// internet, so then it is tried.
	recordTime = time.Hour
)

// order places an order.
func (m *machine) order(ctx context.Context, chain []*x509.Certificate, asked bool) (time.Time, bool) {
	s, err := m.e.open(m.p, directoryURL(m.p))
	if err == nil {
		err = s.signIn(ctx)
	}
	if err == nil && m.p.Challenge == config.ChallengeDNS && !asked && s.acct.Issuer != "" {
		if names := s.missing(ctx); len(names) > 0 && m.waitForRecord(s.acct, names) {
			m.hold(s)
			return time.Now().Add(recordPause), false
		}
	}
	m.unseen = time.Time{}
	var replaces *x509.Certificate
	if chain != nil && m.j.Advised == pki.Fingerprint(chain[0]) {
		replaces = chain[0]
	}
	var key []byte
	if err == nil {
		_, key, err = m.e.key()
	}
	var o lib.Order
	if err == nil {
		o, err = s.order(ctx, replaces)
	}
	m.hold(s)
	if err != nil {
		return m.fail(err)
	}
	m.j.Order, m.j.For, m.j.Key, m.j.Chain, m.j.Before, m.j.Back = o.Location, m.terms(), key, nil, nil, false
	return time.Time{}, m.to(status.ACMEOrdered)
}

// waitForRecord reports whether to wait for a TXT record.
func (m *machine) waitForRecord(a account, names []string) bool {
	now := time.Now()
	if m.unseen.IsZero() {
		m.unseen = now
	}
	if now.Sub(m.unseen) >= recordTime {
		return false
	}
	m.enter(status.ACMERecord)
	m.e.o.Health.Set(health.ACMERecord, health.Args{"name": m.name, "record": fmt.Sprintf("%s. IN TXT %q", recordName(names[0]), a.recordValue())})
	return true
}
