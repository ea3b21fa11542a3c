package chains

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

// desk is where a Book keeps its file and tells its changes.
type desk struct {
	file  []byte
	saves int
	told  []status.PeerChanges
	log   bytes.Buffer
	gone  map[string]bool
}

func (d *desk) open() *Book {
	return Open(Options{
		Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Load: func(parse func([]byte) error) error {
			if d.file == nil {
				return nil
			}
			return parse(d.file)
		},
		Save:    func(text []byte) error { d.saves++; d.file = bytes.Clone(text); return nil },
		Asked:   func(peer string) bool { return !d.gone[peer] },
		Changed: func(list []status.PeerChanges) { d.told = list },
	})
}

// run lets the book run for so long.
func run(t *testing.T, b *Book, for_ time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), for_)
	defer cancel()
	if err := b.Run(ctx); err != nil {
		t.Error(err)
	}
}

const days = 24 * time.Hour

// shown is a chain of an authority: leaf, intermediate, root by name.
func shown(leaf, middle, root, key string, life int) status.ShownChain {
	return status.ShownChain{Root: root, Links: []status.ChainLink{
		{Subject: "hub", Issuer: middle, KeyType: key, NotAfter: time.Unix(0, 0).Add(time.Duration(life) * days), NotBefore: time.Unix(0, 0), SHA256: leaf},
		{Subject: middle, Issuer: root, SHA256: middle + root},
	}}
}

func note(b *Book, peer string, c status.ShownChain, why string) {
	b.Note(peer, c, why, func(*status.ShownChain) {})
}

var old = shown("1", "CA 1", "Root 1", "RSA 2048", 90)

func TestWeeksAreCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		b := d.open()
		run(t, b, 3*week)
		if d.saves > 0 || !b.Chains().Next.IsZero() {
			t.Error("a week began without a chain")
		}
		began := time.Now()
		note(b, "sip", old, "")
		run(t, b, 3*time.Minute)
		if d.saves != 1 {
			t.Errorf("saved %d times", d.saves)
		}
		for range 5 {
			note(b, "sip", old, "")
			run(t, b, time.Hour)
		}
		if got := b.Chains(); d.saves != 1 || len(got.Peers) != 1 || len(got.Peers[0].Now) != 1 || !got.Next.Equal(began.Add(week)) {
			t.Errorf("%d saves, %+v", d.saves, got)
		}
		run(t, b, week) // the first week is over, without anything to compare with
		if len(d.told) > 0 || len(b.Chains().Peers[0].Before) != 1 || len(b.Chains().Peers[0].Now) != 0 {
			t.Errorf("%+v", b.Chains())
		}
		note(b, "sip", old, "")
		b = d.open() // a restart in the middle
		run(t, b, week)
		if len(d.told) > 0 {
			t.Errorf("the same chain is news: %+v", d.told)
		}
		run(t, b, 2*week) // the hub is away: nothing to compare
		note(b, "sip", old, "")
		note(b, "sip", shown("2", "CA 2", "Root 2", "EC P-256", 47), "not trusted")
		run(t, b, time.Hour)
		if len(d.told) > 0 {
			t.Errorf("told before the week is over: %+v", d.told)
		}
		run(t, b, week)
		const want = "leaf, intermediate (now CA 2; before CA 1), certificate of an intermediate, root (now Root 2; before Root 1), key type (now EC P-256; before RSA 2048), lifetime (now 47 days; before 90 days)"
		if len(d.told) != 1 || d.told[0].Change != want || d.told[0].New[0].Refused != "not trusted" || !strings.Contains(d.log.String(), "other certificates than last week") {
			t.Fatalf("%+v\n%s", d.told, d.log.String())
		}
		d.told = nil
		b = d.open()
		run(t, b, time.Minute+time.Second)
		if len(d.told) != 1 {
			t.Error("it is forgotten after a restart")
		}
		note(b, "sip", shown("2", "CA 2", "Root 2", "EC P-256", 47), "")
		if d.told[0].New[0].Refused != "" {
			t.Error("it is trusted by now")
		}
		run(t, b, week)
		if len(d.told) > 0 || b.Chains().Peers[0].Changed.IsZero() {
			t.Errorf("a week later it is still news: %+v", d.told)
		}
		d.gone = map[string]bool{"sip": true}
		if run(t, b, week); len(b.Chains().Peers) > 0 {
			t.Error("a peer that is not asked any more is kept")
		}
	})
}

func TestWhatHasChanged(t *testing.T) {
	sent := old
	sent.Links = append(sent.Links[:2:2], status.ChainLink{Subject: "Root 1", Issuer: "Root 1", SHA256: "R"})
	for want, now := range map[string]status.ShownChain{
		"":                   old,
		"leaf":               shown("2", "CA 1", "Root 1", "RSA 2048", 90),
		"order of the chain": sent, // the root was sent along
		"certificate of an intermediate, root (now Root 2; before Root 1)": shown("1", "CA 1", "Root 2", "RSA 2048", 90),
		"leaf, key type (now RSA 4096; before RSA 2048)":                   shown("3", "CA 1", "Root 1", "RSA 4096", 90),
		"leaf, lifetime (now 1 day; before 90 days)":                       shown("3", "CA 1", "Root 1", "RSA 2048", 1),
	} {
		if got, fresh := differences([]status.ShownChain{old}, []status.ShownChain{now}); got != want || (want == "") != (len(fresh) == 0) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// One of several chains that is not seen any more is no change.
	if got, _ := differences([]status.ShownChain{sent, old}, []status.ShownChain{old}); got != "" {
		t.Error(got)
	}
	alone := status.ShownChain{Root: "X", Links: []status.ChainLink{{SHA256: "A", KeyType: "RSA 2048"}}}
	if got, _ := differences([]status.ShownChain{alone}, []status.ShownChain{old}); !strings.Contains(got, "intermediate (now CA 1)") {
		t.Error(got)
	}
}

// However many peers and chains there are, what is kept has a bound, and so has the file.
func TestWhatIsKeptHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		b := d.open()
		for p := range 5 * maxPeers {
			for c := range 5 * maxChains {
				note(b, fmt.Sprint(p), shown(fmt.Sprint(c), "CA", "Root", "RSA 2048", 90), "")
			}
		}
		got := b.Chains()
		if len(got.Peers) != maxPeers || len(got.Peers[0].Now) != maxChains {
			t.Errorf("%d peers, %d chains", len(got.Peers), len(got.Peers[0].Now))
		}
		run(t, b, 2*time.Minute)
		if again := d.open().Chains(); len(again.Peers) != maxPeers {
			t.Errorf("%d peers in the file: %s", len(again.Peers), d.log.String())
		}
	})
}

func TestAFileThatIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := kept{Since: time.Now(), Peers: make([]status.PeerChanges, maxPeers+1)}
		large, _ := json.Marshal(many)
		for _, text := range []string{"", "{", "\x00\x00", `{"peers": [{"peer": "sip", "now": [{"links": []}]}]}`, `{"peers": [{"peer": "sip", "new": [{}]}]}`, string(large)} {
			d := &desk{file: []byte(text)}
			b := d.open()
			if !strings.Contains(d.log.String(), "begins anew") || len(b.Chains().Peers) > 0 {
				t.Errorf("%q: %s", text, d.log.String())
			}
			note(b, "sip", old, "")
			run(t, b, 2*time.Minute)
		}
		// A week that began in the future began under a wrong clock.
		d := &desk{}
		b := d.open()
		b.kept.Since = time.Now().Add(1000 * days)
		note(b, "sip", old, "")
		if next := b.Chains().Next; !next.Equal(time.Now().Add(week)) {
			t.Errorf("next on %v", next)
		}
		// A medium that cannot be written is tried again.
		failed := 0
		b.o.Save = func([]byte) error { failed++; return errors.New("read-only") }
		if run(t, b, 3*time.Minute+time.Second); failed < 3 {
			t.Errorf("tried %d times", failed)
		}
	})
}

func FuzzOpen(f *testing.F) {
	good, _ := json.Marshal(kept{Peers: []status.PeerChanges{{Peer: "sip", Now: []status.ShownChain{old}, Before: []status.ShownChain{old}}}})
	f.Add(good)
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := &desk{file: text}
		b := d.open()
		note(b, "sip", old, "")
		b.compare(b.kept.Since.Add(week))
		b.Chains()
	})
}
