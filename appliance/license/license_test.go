package license

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

const box = "00A0BA0F2439"

var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// lab is an issuer of the tests, with the line that configures it.
func lab(t testing.TB) (ed25519.PrivateKey, []*config.LicenseAuthority) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, []*config.LicenseAuthority{{Name: "broken", Key: "x"}, {Name: "lab", Key: FormatIssuer(public)}}
}

func sign(t testing.TB, private ed25519.PrivateKey, l License) string {
	t.Helper()
	key, err := Sign(private, l)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestInstall(t *testing.T) {
	private, authorities := lab(t)
	for _, want := range []License{
		{Kind: SIPSessions, Count: 20, Serial: 1},
		{Kind: SRTPChannels, Count: 65535, Serial: 4294967295, System: box},
		{Kind: SIPSessions, Count: 1, Serial: 3, System: box, Expires: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
		{Kind: Transcoding, Count: 1, Serial: 4},
	} {
		key := sign(t, private, want)
		if len(key) > 110 {
			t.Errorf("key of %d characters", len(key))
		}
		got, err := New().Install("  "+key+"\r\n", box, today, authorities)
		if err != nil {
			t.Fatalf("%v: %v", want, err)
		}
		if got.Key != key || got.Issuer != "lab" {
			t.Errorf("key %q from %q", got.Key, got.Issuer)
		}
		got.Key, got.Issuer, got.issuer = "", "", [2]byte{}
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, err := New().Install(sign(t, private, License{Kind: SIPSessions, Count: 1, System: "00:a0:ba:0f:24:39"}), box, today, authorities); err != nil {
		t.Errorf("serial written with colons: %v", err)
	}
	if _, err := New().Install(sign(t, private, License{Kind: SIPSessions, Count: 1, System: "sim-7"}), "SIM-7", today, authorities); err != nil {
		t.Errorf("serial that is no MAC address: %v", err)
	}
}

func TestRefusalsAreSentences(t *testing.T) {
	private, authorities := lab(t)
	stranger, _ := lab(t)
	good := sign(t, private, License{Kind: SIPSessions, Count: 20, Serial: 7})
	future := func(at int, b byte) string { // a key with one byte of its body changed, signed again
		raw, _ := encoding.DecodeString(good)
		raw[at] = b
		sig := ed25519.Sign(private, append([]byte(signedText), raw[:bodyLen]...))
		return encoding.EncodeToString(append(raw[:bodyLen], sig...))
	}
	swapped := []byte(good)
	swapped[50], swapped[51] = 'A', 'B'
	if swapped[51] == good[51] && swapped[50] == good[50] {
		swapped[50] = 'C'
	}
	m := New()
	if _, err := m.Install(good, box, today, authorities); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ why, key, want string }{
		{"the printed example", "JvRNbFVcQGx5a3Rr0aH1mA7bC2dE3fG4hJ5kL6mN7pQ8r", "45 characters instead of 110: it is incomplete"},
		{"nothing", "", "0 characters"},
		{"one character lost", good[1:], "109 characters instead of 110"},
		{"two keys in one line", good + good, "220 characters"},
		{"a character of another alphabet", good[:10] + "+" + good[11:], "character 11 cannot be part"},
		{"a blank inside", good[:10] + " " + good[10:], "character 11 cannot be part"},
		{"a letter that is not ASCII", good[:10] + "ß" + good[11:], "character 11 cannot be part"},
		{"characters changed", string(swapped), "damaged"},
		{"another system", sign(t, private, License{Kind: SIPSessions, Count: 1, Serial: 8, System: "00AABB0F2439"}), "license 8 is for system 00AABB0F2439, and this is system 00A0BA0F2439"},
		{"an unknown issuer", sign(t, stranger, License{Kind: SIPSessions, Count: 1, Serial: 9}), "is unknown here"},
		{"expired", sign(t, private, License{Kind: SIPSessions, Count: 1, Serial: 10, Expires: today.AddDate(0, 0, -1)}), "license 10 expired on 2026-11-21"},
		{"the same again", good, "license 7 is installed already"},
		{"another key with the same serial", sign(t, private, License{Kind: SIPSessions, Count: 5, Serial: 7}), "license 7 is installed already"},
		{"a later version", future(0, 2), "version 2"},
		{"a later kind", future(1, 99), "kind (99)"},
	} {
		if l, err := m.Install(c.key, box, today, authorities); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.why, l, err, c.want)
		}
	}
	if n := len(m.List()); n != 1 {
		t.Errorf("%d licenses installed, want 1", n)
	}
}

func TestSignRefuses(t *testing.T) {
	private, _ := lab(t)
	for _, l := range []License{
		{Kind: "calls", Count: 1}, {Kind: SIPSessions}, {Kind: SIPSessions, Count: 65536}, {Kind: Transcoding, Count: 2},
		{Kind: SIPSessions, Count: 1, Expires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}, {Kind: SIPSessions, Count: 1, System: "000000000000"},
	} {
		if _, err := Sign(private, l); err == nil {
			t.Errorf("%+v was signed", l)
		}
	}
}

func TestTheTable(t *testing.T) {
	private, authorities := lab(t)
	m := New()
	install := func(l License) {
		t.Helper()
		if _, err := m.Install(sign(t, private, l), box, today, authorities); err != nil {
			t.Fatal(err)
		}
	}
	check := func(why string, want ...status.Pool) {
		t.Helper()
		for i, r := range m.Table() {
			if r != want[i] {
				t.Errorf("%s: %+v, want %+v", why, r, want[i])
			}
			if r.BuiltIn+r.Installed+r.Leased != r.Total {
				t.Errorf("%s: %+v does not add up", why, r)
			}
		}
	}
	check("new", status.Pool{Name: "sip-sessions", BuiltIn: 4, Total: 4, Free: 4}, status.Pool{Name: "srtp-channels", BuiltIn: 8, Total: 8, Free: 8})
	install(License{Kind: SIPSessions, Count: 20, Serial: 1})
	install(License{Kind: SIPSessions, Count: 57, Serial: 2, Expires: today})
	install(License{Kind: SRTPChannels, Count: 20, Serial: 3})
	share, err := m.Acquire(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	check("installed", status.Pool{Name: "sip-sessions", BuiltIn: 4, Installed: 20, Leased: 57, Total: 81, Alloc: 1, Free: 80}, status.Pool{Name: "srtp-channels", BuiltIn: 8, Installed: 20, Total: 28, Alloc: 2, Free: 26})
	if gone := m.Expire(today); len(gone) != 0 {
		t.Errorf("expired on its last day: %v", gone)
	}
	if gone := m.Expire(today.AddDate(0, 0, 1)); len(gone) != 1 || gone[0].Serial != 2 {
		t.Errorf("expired: %v", gone)
	}
	share.Release()
	share.Release()
	check("expired and released twice", status.Pool{Name: "sip-sessions", BuiltIn: 4, Installed: 20, Total: 24, Free: 24}, status.Pool{Name: "srtp-channels", BuiltIn: 8, Installed: 20, Total: 28, Free: 28})
	key := m.List()[0].Key
	if !m.Remove(key) || m.Remove(key) {
		t.Error("remove")
	}
	check("removed", status.Pool{Name: "sip-sessions", BuiltIn: 4, Total: 4, Free: 4}, status.Pool{Name: "srtp-channels", BuiltIn: 8, Installed: 20, Total: 28, Free: 28})
}

func TestLicensesOfAnIssuerThatIsTrustedNoMoreAreDropped(t *testing.T) {
	private, authorities := lab(t)
	m := New()
	if _, err := m.Install(sign(t, private, License{Kind: SIPSessions, Count: 1, Serial: 1}), box, today, authorities); err != nil {
		t.Fatal(err)
	}
	var calls []Share
	for range 5 {
		share, err := m.Acquire(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, share)
	}
	if gone := m.Distrust(authorities); len(gone) != 0 {
		t.Errorf("dropped, though its issuer is there: %v", gone)
	}
	if gone := m.Distrust(nil); len(gone) != 1 {
		t.Errorf("dropped: %v", gone)
	}
	// All five calls go on. The first that ends makes no room yet.
	if r := m.Table()[0]; r != (status.Pool{Name: "sip-sessions", BuiltIn: 4, Total: 4, Alloc: 5}) {
		t.Errorf("%+v", r)
	}
	calls[0].Release()
	if _, err := m.Acquire(1, 1); err == nil {
		t.Error("a call more than is licensed")
	}
	calls[1].Release()
	if _, err := m.Acquire(1, 1); err != nil {
		t.Error(err)
	}
}

func TestFeatures(t *testing.T) {
	private, authorities := lab(t)
	m := New()
	if !m.Has(SIPTLSSRTP) || m.Has(SIPRegistrar) || m.Has("nonsense") {
		t.Error("built-in features")
	}
	if _, err := m.Install(sign(t, private, License{Kind: SIPRegistrar, Serial: 1}), box, today, authorities); err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, f := range m.Features() {
		names += " " + f.Name
		if f.Name == "sip-registrar" && !f.Enabled {
			t.Error("sip-registrar was not enabled")
		}
	}
	if names != " iprouter sip-registrar sip-tls-srtp transcoding" {
		t.Error(names)
	}
}

func TestTheFifthCallIsRefused(t *testing.T) {
	m := New()
	var last Share
	for range 4 {
		share, err := m.Acquire(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		last = share
	}
	var e *Exhausted
	if _, err := m.Acquire(1, 1); !errors.As(err, &e) || e.Pool != "sip-sessions" || e.Total != 4 {
		t.Errorf("fifth call: %v", err)
	}
	if r := m.Table()[1]; r.Alloc != 4 {
		t.Errorf("a refused call took %d channels", r.Alloc-4)
	}
	last.Release()
	if _, err := m.Acquire(1, 6); !errors.As(err, &e) || e.Pool != "srtp-channels" {
		t.Errorf("more channels than there are: %v", err)
	}
	if _, err := m.Acquire(1, 1); err != nil {
		t.Errorf("after a release: %v", err)
	}
	if _, err := m.Acquire(-1, 0); err == nil {
		t.Error("less than nothing")
	}
}

// TestChannelsComeAndGoDuringACall: a transfer may bring SRTP into a call, or take it out.
func TestChannelsComeAndGoDuringACall(t *testing.T) {
	m := New()
	share, err := m.Acquire(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	others, err := m.Acquire(0, 7)
	if err != nil {
		t.Fatal(err)
	}
	var e *Exhausted
	if err := share.Channels(2); !errors.As(err, &e) || e.Pool != "srtp-channels" || m.Table()[1].Alloc != 7 {
		t.Errorf("more than there are: %v, %+v", err, m.Table()[1])
	}
	for _, n := range []int{1, 1, 0, 1} {
		if err := share.Channels(n); err != nil || m.Table()[1].Alloc != 7+n {
			t.Errorf("%d: %v, %+v", n, err, m.Table()[1])
		}
	}
	others.Release()
	share.Release()
	for _, r := range m.Table() {
		if r.Alloc != 0 {
			t.Errorf("%+v", r)
		}
	}
	if err := None.Channels(3); err != nil {
		t.Errorf("a call without a share: %v", err)
	}
}

func TestLicensesThatExpireUnderCalls(t *testing.T) {
	private, authorities := lab(t)
	m := New()
	if _, err := m.Install(sign(t, private, License{Kind: SIPSessions, Count: 2, Serial: 1, Expires: today}), box, today, authorities); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if _, err := m.Acquire(1, 0); err != nil {
			t.Fatal(err)
		}
	}
	m.Expire(today.AddDate(1, 0, 0))
	if r := m.Table()[0]; r != (status.Pool{Name: "sip-sessions", BuiltIn: 4, Total: 4, Alloc: 6}) {
		t.Errorf("%+v", r)
	}
	if _, err := m.Acquire(0, 1); err != nil {
		t.Errorf("a call that needs no session: %v", err)
	}
}

func TestCountersWithManyCallsAtOnce(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if share, err := m.Acquire(1, rand.IntN(3)); err == nil {
					if r := m.Table()[0]; r.Alloc > 4 || r.Alloc < 1 {
						t.Errorf("%+v", r)
					}
					share.Channels(rand.IntN(3))
					share.Release()
					share.Release()
				}
			}
		})
	}
	wg.Wait()
	for _, r := range m.Table() {
		if r.Alloc != 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestBuiltInIssuers(t *testing.T) {
	lines := 0
	for line := range strings.Lines(issuersFile) {
		if !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	if list := builtInIssuers(); len(list) != lines || lines == 0 {
		t.Errorf("%d of %d issuers can be read", len(list), lines)
	}
	if _, err := ParseIssuer("short"); err == nil {
		t.Error("a short key was taken for an issuer")
	}
}

func FuzzInstall(f *testing.F) {
	private, authorities := lab(f)
	f.Add(sign(f, private, License{Kind: SIPSessions, Count: 20, Serial: 1}))
	f.Add("JvRNbFVcQGx5a3Rr0aH1mA7bC2dE3fG4hJ5kL6mN7pQ8r")
	f.Add(strings.Repeat("A", 110))
	f.Fuzz(func(t *testing.T, key string) {
		l, err := New().Install(key, box, today, authorities)
		if err == nil && (l.Key != strings.TrimSpace(key) || l.Count < 1 || l.Kind == "") {
			t.Errorf("%q: %+v", key, l)
		}
	})
}

func TestPeaksAndRefusals(t *testing.T) {
	m := New()
	var shares []Share
	for range 6 { // four are built in
		if l, err := m.Acquire(1, 1); err == nil {
			shares = append(shares, l)
		}
	}
	if shares[0].Channels(100) == nil {
		t.Error("more channels than there are")
	}
	for _, l := range shares {
		l.Release()
	}
	if got := m.Peaks(); got[0] != (status.Peak{Name: "sip-sessions", Most: 4, Refused: 2}) || got[1] != (status.Peak{Name: "srtp-channels", Most: 4, Refused: 1}) {
		t.Errorf("peaks %+v", got)
	}
}

// A call that the other box of a pair had licensed goes on here, beyond the limit too. Nobody else gets more until it has given back.
func TestACallOfTheOtherBoxNeedsNoFreeLicense(t *testing.T) {
	m := New()
	first, err := m.Acquire(4, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := m.Resume(1, 1)
	if n := m.InUse(); n.Sessions != 5 || n.Channels != 1 {
		t.Errorf("%+v in use", n)
	}
	if _, err := m.Acquire(1, 0); err == nil {
		t.Error("a new call got a license beyond the limit")
	}
	if err := s.Channels(0); err != nil {
		t.Error(err)
	}
	first.Release()
	s.Release()
	if n := m.InUse(); n.Sessions != 0 || n.Channels != 0 {
		t.Errorf("%+v in use at the end", n)
	}
}
