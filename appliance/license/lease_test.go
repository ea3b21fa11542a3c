package license

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"
)

// hub is a hub of the tests, with a pool of one key.
func hub(t testing.TB, issuer ed25519.PrivateKey, count int) (private ed25519.PrivateKey, id string, keys []string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id = HubID(public)
	return private, id, []string{sign(t, issuer, License{Kind: SIPSessions, Count: count, Serial: 17, System: id})}
}

func signLease(t testing.TB, private ed25519.PrivateKey, l Lease) string {
	t.Helper()
	text, err := SignLease(private, l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func aLease() Lease {
	return Lease{Kind: SIPSessions, Count: 20, Serial: box, Issued: today, Until: today.Add(24 * time.Hour), Sequence: 7}
}

func TestLease(t *testing.T) {
	issuer, authorities := lab(t)
	private, id, keys := hub(t, issuer, 20)
	for _, serial := range []string{box, "00:a0:ba:0f:24:39"} {
		want := aLease()
		want.Serial = serial
		text := signLease(t, private, want)
		got, err := VerifyLease(" "+text+"\r\n", keys, box, today.AddDate(0, 0, 20), authorities)
		want.Serial, want.Hub = box, id
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", serial, got, err, want)
		}
	}
	named := aLease()
	named.Serial = "sim-7"
	if _, err := VerifyLease(signLease(t, private, named), keys, "SIM-7", today, authorities); err != nil {
		t.Errorf("serial that is no MAC address: %v", err)
	}
}

func TestRefusalsOfLeasesAreSentences(t *testing.T) {
	issuer, authorities := lab(t)
	stranger, _ := lab(t)
	private, id, keys := hub(t, issuer, 20)
	_, other, _ := hub(t, issuer, 1)
	good := signLease(t, private, aLease())
	with := func(change func(*Lease)) string {
		l := aLease()
		change(&l)
		return signLease(t, private, l)
	}
	edited := func(at int, b byte) string { // signed again by the hub
		raw, _ := encoding.DecodeString(good)
		raw[at] = b
		return encoding.EncodeToString(append(raw[:leaseBodyLen], ed25519.Sign(private, append([]byte(leasePrefix), raw[:leaseBodyLen]...))...))
	}
	forged, _ := encoding.DecodeString(good)
	forged[3] = 21
	alone := func(l License) []string { return []string{sign(t, issuer, l)} }
	many := make([]string, MaxPoolKeys+1)
	for i := range many {
		many[i] = strings.Repeat("A", KeyChars)
	}
	many[MaxPoolKeys] = keys[0]
	for _, c := range []struct {
		why, text string
		keys      []string
		want      string
	}{
		{"nothing", "", keys, "0 characters instead of 174"},
		{"one character lost", good[1:], keys, "173 characters"},
		{"another alphabet", good[:10] + "+" + good[11:], keys, "cannot be part of one"},
		{"a license key", keys[0], keys, "110 characters instead of 174"},
		{"more than the hub has signed", encoding.EncodeToString(forged), keys, "the signature of its hub does not fit"},
		{"a later version", edited(0, 2), keys, "version 2"},
		{"a later kind", edited(1, 99), keys, "kind (99)"},
		{"a feature", edited(1, 19), keys, "kind (19)"},
		{"nothing given", edited(3, 0), keys, "count of 0"},
		{"a negative time", edited(10, 0x80), keys, "no sensible time"},
		{"no end", edited(18, 0x7f), keys, "no sensible time"},
		{"an end before the beginning", edited(22, 0), keys, "ends before it begins"},
		{"another box", with(func(l *Lease) { l.Serial = "00AABB0F2439" }), keys, "the lease is for system 00AABB0F2439, and this is system 00A0BA0F2439"},
		{"no keys", good, nil, "the lease has 20 sip-sessions, and the license keys of hub " + id + " allow 0"},
		{"more than the keys", with(func(l *Lease) { l.Count = 21 }), keys, "has 21 sip-sessions, and the license keys of hub " + id + " allow 20"},
		{"another kind", with(func(l *Lease) { l.Kind = SRTPChannels }), keys, "allow 0"},
		{"a key twice", with(func(l *Lease) { l.Count = 40 }), []string{keys[0], keys[0], "\n" + keys[0]}, "allow 20"},
		{"a license in two keys", with(func(l *Lease) { l.Count = 41 }), append(alone(License{Kind: SIPSessions, Count: 21, Serial: 17, System: id}), keys...), "allow 21"},
		{"a key of another hub", good, alone(License{Kind: SIPSessions, Count: 20, Serial: 1, System: other}), "license 1 is for system " + other + ", and this is hub " + id},
		{"a key of this box", good, alone(License{Kind: SIPSessions, Count: 20, Serial: 1, System: box}), "license 1 is for system " + box},
		{"a key of any system", good, alone(License{Kind: SIPSessions, Count: 20, Serial: 1}), "license 1 is for any system"},
		{"a key that has expired", good, alone(License{Kind: SIPSessions, Count: 20, Serial: 1, System: id, Expires: today.AddDate(0, 0, -1)}), "license 1 expired on 2026-11-21"},
		{"a key of nobody", good, []string{sign(t, stranger, License{Kind: SIPSessions, Count: 20, Serial: 1, System: id})}, "is unknown here"},
		{"no key at all", good, []string{"x"}, "the key has 1 characters"},
		{"too many keys", good, many, "at most 256 keys"},
	} {
		l, err := VerifyLease(c.text, c.keys, box, today, authorities)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", c.why, l, err, c.want)
		}
		if l != (Lease{}) {
			t.Errorf("%s: %+v beside the error", c.why, l)
		}
	}
}

func TestHubsSignNoNonsense(t *testing.T) {
	issuer, _ := lab(t)
	private, _, _ := hub(t, issuer, 1)
	for what, change := range map[string]func(*Lease){
		"a feature": func(l *Lease) { l.Kind = Transcoding }, "no kind": func(l *Lease) { l.Kind = "" }, "nothing": func(l *Lease) { l.Count = 0 },
		"too many": func(l *Lease) { l.Count = 65536 }, "no box": func(l *Lease) { l.Serial = "" }, "any box": func(l *Lease) { l.Serial = "000000000000" },
		"no time": func(l *Lease) { l.Issued = time.Time{} }, "no end": func(l *Lease) { l.Until = time.Time{} }, "ages": func(l *Lease) { l.Until = today.Add(MaxLease + time.Second) },
	} {
		l := aLease()
		change(&l)
		if text, err := SignLease(private, l); err == nil {
			t.Errorf("%s: %s", what, text)
		}
	}
}

func TestPools(t *testing.T) {
	issuer, authorities := lab(t)
	_, id, keys := hub(t, issuer, 20)
	keys = append(keys, sign(t, issuer, License{Kind: SIPSessions, Count: 5, Serial: 18, System: id, Expires: today}),
		sign(t, issuer, License{Kind: SRTPChannels, Count: 30, Serial: 19, System: id}), sign(t, issuer, License{Kind: Transcoding, Serial: 20, System: id}), keys[0])
	for now, want := range map[time.Time]string{today: "map[sip-sessions:25 srtp-channels:30]", today.AddDate(0, 0, 1): "map[sip-sessions:20 srtp-channels:30]"} {
		if got := fmt.Sprint(PoolTotal(keys, id, now, authorities)); got != want {
			t.Errorf("%s: %s, want %s", now, got, want)
		}
	}
	if got := fmt.Sprint(PoolTotal(keys, id, today, nil)); got != "map[sip-sessions:0 srtp-channels:0]" {
		t.Errorf("of an issuer that nobody trusts: %s", got)
	}
	if l, err := VerifyPoolKey(keys[2], id, today, authorities); err != nil || l.Count != 30 || l.Kind != SRTPChannels {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := VerifyPoolKey(keys[3], id, today, authorities); err == nil || !strings.Contains(err.Error(), "is for a feature") {
		t.Errorf("a feature: %v", err)
	}
	if _, err := New().Install(keys[0], box, today, authorities); err == nil || !strings.Contains(err.Error(), "is for system "+id) || !strings.Contains(err.Error(), "hub license add") {
		t.Errorf("a key of a pool at a box: %v", err)
	}
}

// FuzzVerifyLease changes statements, and the keys beside them; body is signed by the hub, as one that means no good might.
func FuzzVerifyLease(f *testing.F) {
	issuer, authorities := lab(f)
	private, _, keys := hub(f, issuer, 20)
	good := signLease(f, private, aLease())
	raw, _ := encoding.DecodeString(good)
	f.Add(good, keys[0], raw[:34])
	f.Add(strings.Repeat("A", LeaseChars), strings.Repeat("A", KeyChars), []byte{})
	f.Add(keys[0], "", make([]byte, 34))
	f.Fuzz(func(t *testing.T, text, key string, body []byte) {
		if len(body) == 34 {
			body = append(body[:34:34], private.Public().(ed25519.PublicKey)...)
			text = encoding.EncodeToString(append(body, ed25519.Sign(private, append([]byte(leasePrefix), body...))...))
		}
		l, err := VerifyLease(text, []string{key, keys[0], key}, box, today, authorities)
		if err != nil {
			if l != (Lease{}) {
				t.Errorf("%q: %+v beside %v", text, l, err)
			}
			return
		}
		again, err := VerifyLease(signLease(t, private, l), keys, box, today, authorities)
		if err != nil || again != l || l.Count > 20 || l.Until.Sub(l.Issued) > MaxLease {
			t.Errorf("%q: %+v came back as %+v, %v", text, l, again, err)
		}
	})
}
