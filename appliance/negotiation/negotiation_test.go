package negotiation

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sdp"
)

func profile(srtp string) *config.VoIPProfile {
	p := *sdp.DefaultProfile
	p.SRTP = srtp
	return &p
}

func terms(srtp string) Terms {
	return Terms{Addr: netip.MustParseAddr("203.0.113.2"), RTP: 20000, RTCP: 20001, Profile: profile(srtp)}
}

// offerOfPhone has an odd m-line and two streams, the second of which is to be answered.
func offerOfPhone(t *testing.T, direction string) (*sdp.Session, []byte) {
	t.Helper()
	body := strings.Join([]string{"v=0", "o=- 17 1 IN IP4 192.168.1.100", "s=-", "c=IN IP4 192.168.1.100", "t=0 0",
		"m=video 4000 RTP/AVP 96", "m=audio 4002 RTP/SAVP 8 0 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=" + direction,
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 40) + "|2^31", ""}, "\r\n")
	s, err := sdp.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return s, []byte(body)
}

// answered is a side that has taken an offer with SRTP and answered it.
func answered(t *testing.T) *Negotiation {
	t.Helper()
	var n Negotiation
	offer, body := offerOfPhone(t, "sendrecv")
	n.TakeOffer(offer)
	n.Remember(body)
	if err := n.Answerable(terms("forced")); err != nil {
		t.Fatal(err)
	}
	l, err := n.Draft(terms("forced"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Answer(l); err != nil {
		t.Fatal(err)
	}
	return &n
}

// through writes a negotiation out as JSON and reads it back.
func through(t *testing.T, n *Negotiation) *Negotiation {
	t.Helper()
	text, err := json.Marshal(n.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, text) {
		t.Fatalf("read back, %v:\n%s\nwritten:\n%s", err, again, text)
	}
	if want := n.Snapshot(); !bytes.Equal(s.Local.Marshal(), want.Local.Marshal()) || !reflect.DeepEqual(s.Choice, want.Choice) || !reflect.DeepEqual(s.Remote.Audio, want.Remote.Audio) {
		t.Fatalf("read back:\n%+v\nwritten:\n%+v", s, want)
	}
	back := Restore(s)
	return &back
}

func TestANegotiationGoesOnInAnotherBox(t *testing.T) {
	for name, meanwhile := range map[string]func(n *Negotiation){
		"nothing is under way": func(*Negotiation) {},
		"the peer holds": func(n *Negotiation) {
			offer, body := offerOfPhone(t, "sendonly")
			if _, err := n.Reanswer(offer, terms("forced"), sdp.SendRecv); err != nil {
				t.Fatal(err)
			}
			n.Remember(body)
			n.TakeHold()
		},
	} {
		one := answered(t)
		meanwhile(one)
		two := through(t, one)
		if one.PeerHolds() != two.PeerHolds() || one.PeerPlays() != two.PeerPlays() || one.Secure(profile("forced")) != two.Secure(profile("forced")) {
			t.Errorf("%s: hold or SRTP are lost", name)
		}
		if _, body := offerOfPhone(t, "sendrecv"); one.Repeats(body) != two.Repeats(body) {
			t.Errorf("%s: a refresh is known to one box only", name)
		}
		for _, direction := range []string{"sendonly", "inactive", "sendrecv"} {
			offer, _ := offerOfPhone(t, direction)
			a, err := one.Reanswer(offer, terms("forced"), sdp.SendRecv)
			if err != nil {
				t.Fatal(err)
			}
			b, err := two.Reanswer(offer, terms("forced"), sdp.SendRecv)
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: the answers to %s differ, %v:\n%s\n%s", name, direction, err, a, b)
			}
		}
	}
}

func TestAnOfferUnderWayDoesNotGoAlong(t *testing.T) {
	n := answered(t)
	before := n.Local().Marshal()
	if !n.Want(sdp.SendOnly) || !n.BeginReinvite(ForHold, nil, nil) {
		t.Fatal("no offer is due")
	}
	if _, err := n.Reoffer(terms("forced"), sdp.SendRecv); err != nil {
		t.Fatal(err)
	}
	two := through(t, n)
	if !bytes.Equal(two.Local().Marshal(), before) {
		t.Errorf("an offer that nobody has answered was taken along:\n%s", two.Local().Marshal())
	}
	if !two.Want(two.Wanted()) {
		t.Error("the hold is forgotten")
	}

	n = answered(t)
	n.BeginReinvite(ForKey, nil, nil)
	if _, err := n.Reoffer(terms("forced"), sdp.SendRecv); err != nil {
		t.Fatal(err)
	}
	if s := n.Snapshot(); !s.KeyDue || !reflect.DeepEqual(s.Keys, s.Local.Audio.Crypto) {
		t.Errorf("the key before %v goes on until the new one is taken: %+v", s.Local.Audio.Crypto, s)
	}
}

func TestResetLeavesTheSessionOnly(t *testing.T) {
	n := answered(t)
	n.Want(sdp.SendOnly)
	n.BeginReinvite(ForKey, nil, func(bool) {})
	n.BeginReinvite(ForKey, nil, nil)
	n.AfterReinvite(func() {})
	n.TakeHold()
	was := n.origin
	n.Reset()
	if !reflect.DeepEqual(*n, Negotiation{origin: was}) || was.sessionID == 0 {
		t.Errorf("%+v", *n)
	}
}

func TestARefusedOfferIsWithdrawn(t *testing.T) {
	n := answered(t)
	was := n.agreement
	var told []bool
	n.BeginReinvite(ForKey, nil, func(ok bool) { told = append(told, ok) })
	for range 2 { // it met an offer of the peer, and was made again
		if _, err := n.Reoffer(terms("forced"), sdp.SendRecv); err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(n.keys, was.keys) {
			t.Error("the key is the old one")
		}
		if bytes.Equal(n.Text(), was.text) || !bytes.Equal(n.Text(), n.Local().Marshal()) {
			t.Errorf("what was said is not the offer:\n%s", n.Text())
		}
	}
	if n.BeginReinvite(ForHold, nil, nil) || n.Want(sdp.SendOnly) {
		t.Error("two re-INVITEs at once")
	}
	later, renewed := 0, 0
	n.AfterReinvite(func() { later++ })
	n.BeginReinvite(ForKey, nil, nil)
	n.FinishReinvite(false, func() { renewed++ })
	if !reflect.DeepEqual(n.agreement, was) {
		t.Errorf("now %+v, was %+v", n.agreement, was)
	}
	if len(told) != 1 || told[0] || later != 1 || renewed != 1 {
		t.Errorf("told %v, %d went on, key renewed %d times", told, later, renewed)
	}
	if n.AfterReinvite(func() {}) {
		t.Error("waits for nothing")
	}
}

func TestOffersOfHoldThatAreRefused(t *testing.T) {
	n := answered(t)
	refuse := func(passes bool) (now, later bool) {
		n.BeginReinvite(ForHold, nil, nil)
		if _, err := n.Reoffer(terms("forced"), sdp.SendRecv); err != nil {
			t.Fatal(err)
		}
		n.FinishReinvite(false, func() {})
		return n.Refused(passes)
	}
	n.Want(sdp.SendOnly)
	for i := range mostRefusals {
		if now, later := refuse(true); now || !later {
			t.Fatalf("refusal %d: now %v, later %v", i+1, now, later)
		}
		n = through(t, n) // another box goes on counting
	}
	if _, later := refuse(true); later {
		t.Error("offered without end")
	}
	n.Accepted()
	if _, later := refuse(false); later {
		t.Error("refused for good, and offered again")
	}
	n.BeginReinvite(ForHold, nil, nil)
	if _, err := n.Reoffer(terms("forced"), sdp.SendRecv); err != nil {
		t.Fatal(err)
	}
	n.Want(sdp.Inactive)
	n.FinishReinvite(false, func() {})
	if now, _ := n.Refused(false); !now {
		t.Error("something else is wanted by now")
	}
}
