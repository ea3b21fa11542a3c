package sipua

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

func testProbe(peer *scripted, iface string) probeSpec {
	return probeSpec{via: peer, gateway: "wan", iface: peerID(iface), uri: "sip:sip.pstnhub.test:5061", from: "sip:sbc.example",
		to: siptransport.Target{Host: "sip.pstnhub.test", Port: 5061, Transport: siptransport.TLS}, interval: time.Minute, timeout: time.Minute}
}

func (a *Agent) probe(list ...probeSpec) { a.probes.Follow(list) }

func probed(t *testing.T, a *Agent) status.Peer {
	t.Helper()
	synctest.Wait()
	list := a.Peers()
	if len(list) != 1 {
		t.Fatalf("%d probes", len(list))
	}
	return list[0]
}

func TestProbeIsSentAtOnceAndEveryInterval(t *testing.T) {
	peer := &scripted{answer: always(200), delay: 20 * time.Millisecond}
	bubble(t, func(t *testing.T, a *Agent) {
		a.probe(testProbe(peer, "teams"))
		if st := probed(t, a); st.State != status.PeerUnknown || !a.available("teams") || !a.available("other") {
			t.Errorf("before the answer: %+v", st)
		}
		time.Sleep(20 * time.Millisecond)
		if st := probed(t, a); st.State != status.PeerUp || st.Code != 200 || st.RTT != 20*time.Millisecond || st.Peer != "sip.pstnhub.test:5061" {
			t.Errorf("%+v", st)
		}
		req := peer.last()
		if req.StartLine() != "OPTIONS sip:sip.pstnhub.test:5061 SIP/2.0" || sipmsg.First(req.Headers(), "From")[:17] != "<sip:sbc.example>" ||
			sipmsg.First(req.Headers(), "Contact") != "<sip:192.168.1.1:5060>" || sipmsg.First(req.Headers(), "To") != "<sip:sip.pstnhub.test:5061>" {
			t.Error(req)
		}
		for range 5 {
			time.Sleep(time.Until(probed(t, a).Next))
			synctest.Wait()
			if p := peer.pause(); p < 57*time.Second || p > time.Minute {
				t.Errorf("next OPTIONS after %v", p)
			}
			time.Sleep(20 * time.Millisecond)
		}
		a.probe(testProbe(peer, "teams")) // nothing changed
		synctest.Wait()
		if peer.count() != 6 {
			t.Errorf("%d OPTIONS", peer.count())
		}
		a.probe()
		time.Sleep(time.Hour)
		if peer.count() != 6 || len(a.Peers()) != 0 {
			t.Error("goes on after it was removed")
		}
	})
}

func TestWhatBoxesAPeer(t *testing.T) {
	fails := func(err error) func(int, *sip.Request) (*sipmsg.Response, error) {
		return func(int, *sip.Request) (*sipmsg.Response, error) { return nil, err }
	}
	for _, tc := range []struct {
		name   string
		answer func(int, *sip.Request) (*sipmsg.Response, error)
		delay  time.Duration
		boxed  bool
		code   int
		next   time.Duration // start of the next probe after the end of this one
	}{
		{"200", always(200), 0, false, 200, time.Minute},
		{"404 is an answer", always(404), 0, false, 404, time.Minute},
		{"403 is an answer", always(403), 0, false, 403, time.Minute},
		{"500 is an answer", always(500), 0, false, 500, time.Minute},
		{"503", always(503), 0, true, 503, time.Minute},
		{"503 with Retry-After", always(503, "Retry-After: 7"), 0, true, 503, 7 * time.Second},
		{"503 with a long Retry-After", always(503, "Retry-After: 180"), 0, true, 503, 3 * time.Minute},
		{"503 with Retry-After for ever", always(503, "Retry-After: 100000"), 0, true, 503, holdMost},
		{"no response", fails(sipdialog.ErrTimeout), 32 * time.Second, true, 0, 28 * time.Second},
		{"no response within the time-out", always(200), 2 * time.Minute, true, 0, probeSoon},
		{"TLS failure", fails(&siptransport.Error{Op: "handshake", Peer: "192.0.2.1:5061", Err: errors.New("certificate unknown")}), 0, true, 0, probeSoon},
		{"refused", fails(&siptransport.Error{Op: "dial", Peer: "192.0.2.1:5061", Err: errors.New("connection refused")}), 0, true, 0, probeSoon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			peer := &scripted{answer: tc.answer, delay: tc.delay}
			bubble(t, func(t *testing.T, a *Agent) {
				a.probe(testProbe(peer, "teams"))
				time.Sleep(min(tc.delay, time.Minute))
				st := probed(t, a)
				if (st.State == status.PeerDown) != tc.boxed || a.available("teams") == tc.boxed || st.Code != tc.code || st.Answer == "" {
					t.Errorf("%+v", st)
				}
				if next := time.Until(st.Next); next > tc.next || next < tc.next-3*time.Second {
					t.Errorf("next OPTIONS in %v, want %v", next, tc.next)
				}
				peer.set(func() { peer.answer, peer.delay = always(200), 0 })
				time.Sleep(time.Until(st.Next))
				if st := probed(t, a); st.State != status.PeerUp || st.Answer != "200 OK" || !a.available("teams") {
					t.Errorf("a 200 frees: %+v", st)
				}
			})
		})
	}
}

// While nobody can be asked, as TLS waits for the clock after a start, no peer is judged. Once they can, they are asked at once.
func TestNoPeerIsJudgedBeforeItCanBeAsked(t *testing.T) {
	peer := &scripted{answer: always(200)}
	bubble(t, func(t *testing.T, a *Agent) {
		spec := testProbe(peer, "teams")
		spec.waits = true
		a.probe(spec)
		time.Sleep(10 * time.Minute)
		a.Suspect(peerID("teams"))
		time.Sleep(10 * time.Minute)
		if st := probed(t, a); st.State != status.PeerUnknown || !strings.Contains(st.Answer, "clock") || !a.available("teams") || peer.count() != 0 {
			t.Errorf("%+v, %d OPTIONS", st, peer.count())
		}
		spec.waits = false
		a.probe(spec)
		if st := probed(t, a); st.State != status.PeerUp || peer.count() != 1 {
			t.Errorf("%+v, %d OPTIONS", st, peer.count())
		}
	})
}

func TestSuspectIsProbedNow(t *testing.T) {
	peer := &scripted{answer: always(200)}
	bubble(t, func(t *testing.T, a *Agent) {
		a.probe(testProbe(peer, "teams"))
		time.Sleep(10 * time.Second)
		peer.set(func() { peer.answer = always(503) })
		a.Suspect(peerID("other"))
		synctest.Wait()
		if peer.count() != 1 {
			t.Error("the wrong peer was probed")
		}
		a.Suspect(peerID("teams"))
		synctest.Wait()
		if a.available("teams") || peer.count() != 2 {
			t.Errorf("not probed: %d OPTIONS", peer.count())
		}
		for range 10 { // ten calls fail in the same moment
			a.Suspect(peerID("teams"))
			synctest.Wait()
		}
		time.Sleep(500 * time.Millisecond)
		if peer.count() != 2 {
			t.Errorf("%d OPTIONS in a burst", peer.count())
		}
		time.Sleep(time.Second)
		if peer.count() != 3 {
			t.Errorf("%d OPTIONS", peer.count())
		}
	})
}

func TestProbesAreIndependent(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent) {
		var list []probeSpec
		for i := range 3 {
			peer := &scripted{answer: always(200)}
			if i == 0 {
				peer.delay = time.Hour
			}
			list = append(list, testProbe(peer, fmt.Sprint("hub", i+1)))
		}
		a.probe(list...)
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, want := range []status.PeerState{status.PeerDown, status.PeerUp, status.PeerUp} {
			if got := a.Peers()[i]; got.State != want {
				t.Errorf("%+v, want %s", got, want)
			}
		}
	})
}
