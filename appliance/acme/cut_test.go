package acme

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// cutStore is a store whose power is cut at its nth write, before or after it.
type cutStore struct {
	Store
	left  int
	after bool
}

var errCut = errors.New("no power")

func (c *cutStore) write(f func() error) error {
	c.left--
	switch {
	case c.left > 0:
		return f()
	case c.left == 0 && c.after:
		return errors.Join(f(), errCut)
	}
	return errCut
}

func (c *cutStore) SaveACMEFile(name string, text []byte) error {
	return c.write(func() error { return c.Store.SaveACMEFile(name, text) })
}

func (c *cutStore) InstallPair(certificate, key string, chain, text []byte) error {
	return c.write(func() error { return c.Store.InstallPair(certificate, key, chain, text) })
}

// TestAPowerCutLosesAndMixesNothing cuts the power at each write of a renewal. After the restart there is always a whole pair, the renewal
// comes to its end, and the authority has not been asked for more than one certificate more.
func TestAPowerCutLosesAndMixesNothing(t *testing.T) {
	for _, trial := range []bool{false, true} {
		for n := 1; ; n++ {
			whole := false
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("trial %v, write %d, after it %v", trial, n, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { whole = cutAt(t, n, after, trial) })
				})
			}
			if whole || t.Failed() {
				if n < 5 {
					t.Errorf("only %d writes", n)
				}
				break
			}
		}
	}
}

// cutAt reports whether the renewal had fewer writes than n.
func cutAt(t *testing.T, n int, after, trial bool) (whole bool) {
	b := obtain(t)
	before := b.fingerprint()
	orders, _ := b.ca.counts()
	if trial {
		b.peers = func() []status.Peer {
			return []status.Peer{{Interface: "teams", State: status.PeerUp, Last: time.Now().Add(time.Second)}}
		}
	}
	b.end()
	cut := &cutStore{Store: b.store, left: n, after: after}
	b.store = cut
	b.start()
	b.e.Renew("sbc")
	b.pass(3 * time.Minute)
	b.end()
	whole = cut.left > 0

	b.open()
	b.fingerprint() // a whole pair, whichever
	b.start()
	b.pass(2 * time.Hour) // longer than the first pause
	if b.fingerprint() == before {
		b.e.Renew("sbc") // the cut came before anything was stored
		b.pass(3 * time.Minute)
	}
	if b.fingerprint() == before {
		t.Errorf("not renewed\n%s", b.log.String())
	}
	b.want("state", b.state(), status.ACMEIdle)
	b.want("alarms", b.raised(), []string{})
	if now, _ := b.ca.counts(); now-orders > 2 {
		t.Errorf("%d orders", now-orders)
	}
	b.want("accounts", b.ca.accounts, 1)
	b.end()
	return whole
}

// TestPeersDecide has peers refuse, accept, and be silent.
func TestPeersDecide(t *testing.T) {
	for name, c := range map[string]struct {
		state   status.PeerState
		refused bool
		back    bool
		after   time.Duration // until the trial is over
	}{
		"they take it":              {status.PeerUp, false, false, time.Minute},
		"they answer 403":           {status.PeerRefuses, false, true, time.Minute},
		"they send an alert":        {status.PeerDown, true, true, time.Minute},
		"the network is down":       {status.PeerDown, false, false, 11 * time.Minute},
		"nothing is known of them":  {status.PeerUnknown, false, false, 11 * time.Minute},
		"they are not probed again": {status.PeerUp, false, false, 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := obtain(t)
				before, used := b.fingerprint(), b.used
				asked := time.Now()
				b.peers = func() []status.Peer {
					p := status.Peer{Interface: "teams", Peer: "sip.pstnhub.microsoft.com:5061", State: status.PeerUp, Last: asked, Answer: "bad certificate"}
					if b.used == used+1 && name != "they are not probed again" {
						p.State, p.Refused, p.Last = c.state, c.refused, time.Now().Add(time.Second)
					}
					return []status.Peer{p, {Interface: "other", State: status.PeerDown}}
				}
				b.e.Renew("sbc")
				b.pass(14 * time.Second)
				if fresh := b.fingerprint(); fresh == before {
					t.Fatal("not in use at once")
				}
				b.pass(c.after)
				b.want("taken back", b.fingerprint() == before, c.back)
				if !c.back {
					b.want("alarms", b.raised(), []string{})
					b.want("state", b.state(), status.ACMEIdle)
					b.end()
					return
				}
				b.want("alarms", b.raised(), []string{"acme-refused"})
				b.want("connections made anew", b.used, used+2)
				orders, _ := b.ca.counts()
				b.pass(23 * time.Hour)
				now, _ := b.ca.counts()
				b.want("orders within a day", now, orders)
				b.e.Renew("sbc")
				b.pass(12 * time.Minute)
				b.want("alarms after one that they take", b.raised(), []string{})
				b.end()
			})
		})
	}
}

// TestAnOldCertificateThatHasEndedStaysAway has peers refuse the new one after the end of the one before.
func TestAnOldCertificateThatHasEndedStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		b.ca.set(func() { b.ca.down = true })
		b.pass(91 * day)
		b.want("alarms", b.raised(), []string{"acme-no-certificate"})
		b.ca.set(func() { b.ca.down = false })
		before := b.fingerprint()
		b.peers = func() []status.Peer {
			p := status.Peer{Interface: "teams", Peer: "hub", State: status.PeerUp}
			if b.used == 2 {
				p.State, p.Last = status.PeerRefuses, time.Now().Add(time.Second)
			}
			return []status.Peer{p}
		}
		b.e.Renew("sbc")
		b.pass(time.Minute)
		b.want("alarms", b.raised(), []string{"acme-refused"})
		if b.fingerprint() == before {
			t.Error("a certificate that has ended is back")
		}
		b.end()
	})
}

// TestACertificateWaitsForItsTime is that of a box whose clock is an hour behind the authority's.
func TestACertificateWaitsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		before := b.fingerprint()
		b.ca.set(func() { b.ca.begins = time.Hour })
		b.e.Renew("sbc")
		b.pass(10 * time.Minute)
		b.want("state", b.state(), status.ACMEIssued)
		b.want("certificate", b.fingerprint(), before)
		b.end() // a restart changes nothing
		b.open()
		b.start()
		b.pass(time.Hour)
		b.want("state", b.state(), status.ACMEIdle)
		if b.fingerprint() == before {
			t.Error("not in use")
		}
		orders, _ := b.ca.counts()
		b.want("orders", orders, 2)
		b.end()
	})
}

// TestAdviceIsFollowed moves the window: forward, as after a mass revocation, and past the end of the certificate.
func TestAdviceIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		b.ca.set(func() { b.ca.window = &Window{time.Now().Add(10 * day), time.Now().Add(11 * day)} })
		b.pass(day)
		st := b.e.Status()[0]
		if !st.Advised || time.Until(st.Renew) < 9*day-time.Hour || time.Until(st.Renew) > 10*day {
			t.Errorf("%+v", st)
		}
		before := b.fingerprint()
		b.ca.set(func() { b.ca.window = &Window{time.Now().Add(-2 * day), time.Now().Add(-day)} })
		b.pass(13 * time.Hour)
		if b.fingerprint() == before {
			t.Error("not renewed, although the window has passed")
		}
		b.pass(12 * time.Hour)
		if n := len(b.ca.orders); n > 3 {
			t.Errorf("%d orders, because the window has always passed", n)
		}
		if n := len(b.ca.orders); b.ca.orders[n-1].replaces == "" {
			t.Error("the order does not say what it replaces")
		}
		b.ca.set(func() { b.ca.window = &Window{time.Now().Add(500 * day), time.Now().Add(501 * day)} })
		b.pass(80 * day)
		chain, _ := b.store.Certificates("sbc")
		if left := time.Until(chain[0].NotAfter); left < 10*day {
			t.Errorf("advice had it wait until %v were left", left)
		}
		b.end()
	})
}

// TestTheProfileChanges under an order, and the authority forgets the account.
func TestTheProfileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		b.ca.set(func() { b.ca.forgetful = true })
		b.e.Renew("sbc")
		b.pass(time.Minute)
		b.want("accounts", b.ca.accounts, 2)
		b.record()
		again := *b.cfg.ACME[0]
		again.Names = []string{"sbc2.example.com"}
		b.cfg = &config.Config{ACME: []*config.ACMEProfile{&again}}
		b.e.Changed()
		synctest.Wait()
		b.record()
		b.pass(2 * time.Minute)
		chain, _ := b.store.Certificates("sbc")
		if chain[0].VerifyHostname("sbc2.example.com") != nil {
			t.Errorf("%v\n%s", chain[0].DNSNames, b.log.String())
		}
		b.cfg = &config.Config{}
		b.e.Changed()
		b.pass(time.Minute)
		b.want("profiles", len(b.e.Status()), 0)
		b.end()
	})
}

// TestTheProfileTakesOverTheNameOfAnInternalCertificate does not wait for the end of what no public peer accepts.
func TestTheProfileTakesOverTheNameOfAnInternalCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, newAuthority(t))
		text := keys()[0]
		key, err := pki.ParsePrivateKey(text, "")
		if err != nil {
			t.Fatal(err)
		}
		root, err := pki.NewInternalRoot("box", key, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		lan, err := pki.IssueInternal(root, key, key.Public(), b.cfg.ACME[0].Names, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.InstallPair("sbc", "sbc", pki.ChainPEM([]*x509.Certificate{lan}), text); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.record()
		b.pass(2 * time.Minute)
		if got := b.fingerprint(); got == pki.Fingerprint(lan) {
			t.Errorf("no certificate was ordered\n%s", b.log.String())
		}
		b.want("state", b.state(), status.ACMEIdle)
		b.end()
	})
}

// TestAnotherMACKeyIsTriedAtOnce: an administrator who has mistyped it does not wait an hour.
func TestAnotherMACKeyIsTriedAtOnce(t *testing.T) {
	p := &config.ACMEProfile{Name: "sbc", Names: []string{"sbc.example.com"}, External: config.ExternalAccount{KeyID: "id", MACKey: "d3Jvbmc"}}
	m := &machine{p: p}
	before := m.terms()
	if strings.Contains(before, "d3Jvbmc") {
		t.Error("the journal holds the MAC key")
	}
	again := *p
	m.p = &again
	if m.terms() != before {
		t.Error("the same terms are other ones")
	}
	if again.External.MACKey = "cmlnaHQ"; m.terms() == before {
		t.Error("another MAC key is none")
	}
}

// TestAnotherOrderDuringATrial takes the certificate on trial for good, and tries the next one as well.
func TestAnotherOrderDuringATrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		asked := time.Now()
		b.peers = func() []status.Peer {
			return []status.Peer{{Interface: "teams", State: status.PeerUp, Last: asked}}
		}
		first := b.fingerprint()
		b.e.Renew("sbc")
		b.pass(30 * time.Second)
		second := b.fingerprint()
		b.want("state", b.state(), status.ACMETrial)
		b.e.Renew("sbc")
		b.pass(30 * time.Second)
		third := b.fingerprint()
		if first == second || second == third {
			t.Fatalf("no other certificate: %s, %s, %s", first, second, third)
		}
		b.want("state", b.state(), status.ACMETrial)
		b.peers = func() []status.Peer {
			return []status.Peer{{Interface: "teams", Peer: "hub", State: status.PeerRefuses, Last: time.Now().Add(time.Second)}}
		}
		b.pass(time.Minute)
		b.want("taken back to the second", b.fingerprint(), second)
		b.want("alarms", b.raised(), []string{"acme-refused"})
		b.end()
	})
}
