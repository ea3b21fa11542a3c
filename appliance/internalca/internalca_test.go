package internalca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

const day = 24 * time.Hour

// box is a store with an internal CA.
type box struct {
	*Authority
	t       *testing.T
	dir     string
	log     bytes.Buffer
	health  health.Tracker
	waits   atomic.Bool // the clock
	changes chan struct{}
	renewed atomic.Int32
}

func newBox(t *testing.T) *box {
	b := &box{t: t, dir: t.TempDir(), changes: make(chan struct{}, 1)}
	b.open()
	return b
}

// open opens the store, as each start does.
func (b *box) open() {
	b.t.Helper()
	state, err := store.Open(b.dir)
	if err != nil || len(state.Problems()) > 0 {
		b.t.Fatal(err, state.Problems())
	}
	b.Authority = New(Options{
		Store: state, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Health: &b.health, Clock: b.clock,
		Changes: b.changes, Renewed: func() { b.renewed.Add(1) },
	})
}

var errClock = errors.New("the clock waits")

func (b *box) clock() error {
	if b.waits.Load() {
		return errClock
	}
	return nil
}

// run runs the engine until the test ends.
func (b *box) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	b.t.Cleanup(func() { cancel(); <-done })
}

func (b *box) create() *x509.Certificate {
	b.t.Helper()
	root, err := b.Create("Phones of the lab", true)
	if err != nil {
		b.t.Fatal(err)
	}
	return root
}

func (b *box) issue(names ...string) {
	b.t.Helper()
	if _, err := b.Issue(Request{Certificate: "lan", Key: "lan.key", Names: names, Replace: true, Fits: fits}); err != nil {
		b.t.Fatal(err)
	}
}

func fits(crypto.Signer) error { return nil }

func (b *box) leaf() *x509.Certificate {
	b.t.Helper()
	chain, err := b.o.Store.Certificates("lan")
	if err != nil {
		b.t.Fatal(err)
	}
	return chain[0]
}

// call makes a handshake with a profile of the box, as a phone that trusts one root does.
func (b *box) call(root []byte, name string) error {
	b.t.Helper()
	p := &config.TLSProfile{Name: "lan", V12: true, PrivateKey: "pki:private-key/lan.key", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/lan"}}}
	for _, f := range pki.Check(p, b.o.Store, false, time.Now()) {
		b.t.Errorf("the profile of the LAN: %s", f.Text)
	}
	server, err := pki.ServerConfig(p, b.o.Store)
	if err != nil {
		b.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		defer theirs.Close()
		s := tls.Server(theirs, server)
		if s.Handshake() == nil {
			io.Copy(io.Discard, s)
		}
	}()
	return tls.Client(ours, &tls.Config{RootCAs: pool, ServerName: name, MaxVersion: tls.VersionTLS12}).Handshake()
}

// alarms are the texts of the alarms of a kind.
func (b *box) alarms(w *health.Warnable) (list []string) {
	for _, a := range b.health.Current() {
		if a.ID == w.ID {
			list = append(list, a.Text)
		}
	}
	return list
}

// After two thirds of its life, a certificate is followed by one for the same names with another key, and phones see no difference.
func TestACertificateIsRenewedAtTwoThirdsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.create()
		b.issue("sbc.example.lan", "10.108.2.1", "fd00::1")
		b.run()
		root := []byte(b.Status().PEM)
		for n := range 3 {
			before := b.leaf()
			if life := before.NotAfter.Sub(before.NotBefore); life != 397*day {
				t.Fatalf("it lives %v", life)
			}
			due := before.NotBefore.Add(397 * day / 3 * 2)
			time.Sleep(time.Until(due) - 7*time.Hour)
			if b.leaf() != before {
				t.Fatalf("renewed before its time, %d", n)
			}
			time.Sleep(14 * time.Hour)
			after := b.leaf()
			if after.Equal(before) || pki.Belongs(after, key(t, b)) != nil || b.renewed.Load() != int32(n+1) {
				t.Fatalf("not renewed, %d: until %v, told %d times", n, after.NotAfter, b.renewed.Load())
			}
			if public := before.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); public.Equal(after.PublicKey) {
				t.Error("with the same key")
			}
			for _, name := range []string{"sbc.example.lan", "10.108.2.1", "fd00::1"} {
				if err := b.call(root, name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got := b.Status().Issued; len(got) != 1 || got[0].Key != "lan.key" || got[0].Problem != "" || got[0].Renewal.Before(time.Now()) {
				t.Errorf("%+v", got)
			}
		}
		if list := b.health.Current(); len(list) > 0 {
			t.Error(list)
		}
		if strings.Contains(b.log.String(), "PRIVATE") {
			t.Error("a key is in the log")
		}
	})
}

func key(t *testing.T, b *box) crypto.Signer {
	t.Helper()
	k, err := b.o.Store.PrivateKey("lan.key")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Only the root makes the box's certificate good, and only for its names.
func TestAPhoneWithoutTheRootRefuses(t *testing.T) {
	b := newBox(t)
	b.create()
	b.issue("sbc.example.lan")
	root := []byte(b.Status().PEM)
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	if err := b.call(root, "sbc.example.lan"); err != nil {
		t.Error(err)
	}
	if err := b.call(nil, "sbc.example.lan"); !errors.As(err, &unknown) {
		t.Errorf("without the root: %v", err)
	}
	if err := b.call(root, "other.example.lan"); !errors.As(err, &name) {
		t.Errorf("another name: %v", err)
	}
	b.create()
	if err := b.call([]byte(b.Status().PEM), "sbc.example.lan"); !errors.As(err, &unknown) {
		t.Errorf("with a later root: %v", err)
	}
	if err := b.call(root, "sbc.example.lan"); err != nil {
		t.Errorf("the certificate stays until it is issued again: %v", err)
	}
}

// What cannot be renewed is an alarm until it can.
func TestAFailedRenewalIsAnAlarm(t *testing.T) {
	for name, c := range map[string]struct {
		fail, mend func(b *box)
		want       string
	}{
		"the root is replaced": {
			fail: func(b *box) { b.create() },
			mend: func(b *box) { b.issue("sbc.example.lan") },
			want: "it comes from another internal CA: once the phones have the new root, `generate pki:certificate/lan internal-ca replace`",
		},
		"the key of the root is erased": {
			fail: func(b *box) {
				text, err := os.ReadFile(filepath.Join(b.dir, "pki/private-key/internal-ca"))
				if err != nil || os.WriteFile(filepath.Join(b.dir, "kept"), text, 0o600) != nil || b.o.Store.RemoveKey(status.KeyPrivate, "internal-ca") != nil {
					b.t.Fatal(err)
				}
			},
			mend: func(b *box) {
				text, _ := os.ReadFile(filepath.Join(b.dir, "kept"))
				if _, err := b.o.Store.ImportPrivateKey("internal-ca", text, ""); err != nil {
					b.t.Fatal(err)
				}
			},
			want: "the key of the root is not in this box; import a backup",
		},
		"the root is erased": {
			fail: func(b *box) { b.o.Store.RemoveKey(status.KeyCertificate, "internal-ca") },
			mend: func(b *box) { b.o.Store.RemoveKey(status.KeyCertificate, "lan") },
			want: "the box has no internal CA",
		},
		"the medium fails": { // the key is written, its certificate is not
			fail: func(b *box) {
				path := filepath.Join(b.dir, "pki/certificate/lan")
				if os.Remove(path) != nil || os.MkdirAll(filepath.Join(path, "x"), 0o700) != nil {
					b.t.Fatal("no folder")
				}
			},
			mend: func(b *box) { os.RemoveAll(filepath.Join(b.dir, "pki/certificate/lan")) },
			want: "pki/certificate/lan",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				b.create()
				b.issue("sbc.example.lan")
				before, held := b.leaf(), key(t, b)
				b.run()
				c.fail(b)
				time.Sleep(200 * day)
				if list := b.alarms(health.InternalNotRenewed); len(list) > 0 {
					t.Errorf("an alarm before it is due: %v", list)
				}
				time.Sleep(70 * day)
				list := b.alarms(health.InternalNotRenewed)
				if len(list) != 1 || !strings.Contains(list[0], c.want) || !strings.Contains(list[0], "certificate pki:certificate/lan of the internal CA") {
					t.Errorf("alarms: %q", list)
				}
				if !b.leaf().Equal(before) || pki.Belongs(before, key(t, b)) != nil || key(t, b) != held || b.renewed.Load() > 0 {
					t.Error("the failed renewal changed the pair")
				}
				if again, err := os.ReadFile(filepath.Join(b.dir, "pki/private-key/lan.key")); err != nil {
					t.Error(err)
				} else if k, err := pki.ParsePrivateKey(again, ""); err != nil || pki.Belongs(before, k) != nil {
					t.Errorf("the key on the medium is not that of the certificate: %v", err)
				}
				c.mend(b)
				b.changes <- struct{}{}
				synctest.Wait()
				if list := b.alarms(health.InternalNotRenewed); len(list) > 0 {
					t.Errorf("mended: %v", list)
				}
				if chain, err := b.o.Store.Certificates("lan"); err == nil && chain[0].Equal(before) {
					t.Error("mended, and not renewed")
				}
			})
		})
	}
}

// In its last year a root is announced, and certificates that end with it are not renewed over and over.
func TestTheEndOfTheRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		k, err := pki.NewKey(2048)
		if err != nil {
			t.Fatal(err)
		}
		root, err := pki.NewInternalRoot("old", k, time.Now().AddDate(-9, 0, 10))
		if err != nil || b.install(pki.InternalName, pki.InternalName, root, k) != nil {
			t.Fatal(err)
		}
		b.issue("sbc.example.lan")
		before := b.leaf()
		if !before.NotAfter.Equal(root.NotAfter) {
			t.Fatalf("the certificate ends on %v, the root on %v", before.NotAfter, root.NotAfter)
		}
		b.run()
		time.Sleep(5 * day)
		if list := b.alarms(health.InternalRootEnds); len(list) > 0 {
			t.Errorf("more than a year before: %v", list)
		}
		time.Sleep(355 * day)
		if list := b.alarms(health.InternalRootEnds); len(list) != 1 {
			t.Errorf("in the last year: %v", list)
		}
		if b.leaf() != before || b.renewed.Load() > 0 {
			t.Errorf("renewed %d times", b.renewed.Load())
		}
		time.Sleep(30 * day)
		if s := b.Status(); !strings.Contains(s.Problem, "the root has ended on") {
			t.Errorf("%+v", s)
		}
		if _, err := b.Issue(Request{Certificate: "x", Key: "x", Names: []string{"x.lan"}, Fits: fits}); err == nil {
			t.Error("issued by a root that has ended")
		}
		b.create()
		b.changes <- struct{}{}
		synctest.Wait()
		if list := b.alarms(health.InternalRootEnds); len(list) > 0 {
			t.Errorf("after a new root: %v", list)
		}
	})
}

// A wrong clock issues nothing and renews nothing.
func TestNothingIsIssuedWithoutTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.create()
		b.issue("sbc.example.lan")
		before := b.leaf()
		b.waits.Store(true)
		if _, err := b.Create("x", true); !errors.Is(err, errClock) {
			t.Error(err)
		}
		if _, err := b.Issue(Request{Certificate: "x", Key: "x", Names: []string{"x.lan"}, Fits: fits}); !errors.Is(err, errClock) {
			t.Error(err)
		}
		time.Sleep(300 * day)
		b.run()
		time.Sleep(30 * time.Second)
		if !b.leaf().Equal(before) {
			t.Error("renewed by a clock that cannot be believed")
		}
		b.waits.Store(false)
		time.Sleep(time.Minute)
		if b.leaf().Equal(before) {
			t.Error("not renewed once the time is known")
		}
	})
}

// A power cut between key and certificate leaves what the next start makes whole.
func TestAPowerCutDuringARenewal(t *testing.T) {
	b := newBox(t)
	b.create()
	b.issue("sbc.example.lan")
	root, before := []byte(b.Status().PEM), t.TempDir()
	if err := os.CopyFS(before, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.issue("sbc.example.lan")
	want := b.leaf()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	cert, k := read("pki/certificate/lan"), read("pki/private-key/lan.key")
	pair, err := json.Marshal(map[string]any{"CertificateName": "lan", "KeyName": "lan.key", "Certificate": cert, "Key": k})
	if err != nil {
		t.Fatal(err)
	}
	// The pair and the key are written, the certificate is not.
	if os.WriteFile(filepath.Join(before, "pki/pair"), pair, 0o600) != nil || os.WriteFile(filepath.Join(before, "pki/private-key/lan.key"), k, 0o600) != nil {
		t.Fatal("the cut cannot be made")
	}
	b.dir = before
	b.open()
	if !b.leaf().Equal(want) || pki.Belongs(want, key(t, b)) != nil {
		t.Error("the pair is not whole")
	}
	if err := b.call(root, "sbc.example.lan"); err != nil {
		t.Error(err)
	}
	if fi, err := os.Stat(filepath.Join(before, "pki/private-key/internal-ca")); err != nil || fi.Mode() != 0o600 {
		t.Errorf("the key of the root: %v, %v", fi.Mode(), err)
	}
}

// A key that another certificate needs stays when one of the two is renewed.
func TestASharedKeyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.create()
		b.issue("sbc.example.lan")
		if _, err := b.o.Store.ImportCertificate("other", pki.ChainPEM([]*x509.Certificate{b.leaf()})); err != nil {
			t.Fatal(err)
		}
		before, held := b.leaf(), key(t, b)
		b.run()
		time.Sleep(270 * day)
		if b.leaf().Equal(before) || key(t, b) != held && pki.Belongs(before, key(t, b)) != nil {
			t.Error("the certificate was not renewed with its key")
		}
		other, _ := b.o.Store.Certificates("other")
		if pki.Belongs(other[0], key(t, b)) != nil {
			t.Error("the other certificate has lost its key")
		}
	})
}

// Names come from a paste.
func TestHostileNames(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"", " x", "x\x1b[2J", "a\nb", "a\u202eb", "\xff", strings.Repeat("x", 65)} {
		if _, err := b.Create(name, false); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("root %q: %v", name, err)
		}
	}
	if list := b.o.Store.Keys(); len(list) > 0 {
		t.Fatal(list)
	}
	if _, err := b.Issue(Request{Certificate: "lan", Key: "lan", Names: []string{"sbc.lan"}, Fits: fits}); !errors.Is(err, errNone) {
		t.Errorf("without a CA: %v", err)
	}
	root := b.create()
	if _, err := b.Create("another", false); err == nil || !b.root0().Equal(root) {
		t.Errorf("a root was overwritten: %v", err)
	}
	for _, name := range []string{"", "*", "*.", "a b", "a_b", "a..b", "-a", "a-", "x\x1b[2J", "a\nb", "a/b", "münchen.de", "::1%eth0", "10.1.2", "a.1", "a*.b", "*.*.b", strings.Repeat("x", 64), strings.Repeat("x.", 130) + "x"} {
		if _, err := b.Issue(Request{Certificate: "lan", Key: "lan", Names: []string{"good.lan", name}, Fits: fits}); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, r := range map[string]Request{
		"no name":        {Certificate: "lan", Key: "lan"},
		"the root":       {Certificate: "internal-ca", Key: "lan", Names: []string{"a.lan"}, Replace: true},
		"its key":        {Certificate: "lan", Key: "internal-ca", Names: []string{"a.lan"}, Replace: true},
		"a path":         {Certificate: "../lan", Key: "lan", Names: []string{"a.lan"}},
		"a path for key": {Certificate: "lan", Key: "../lan", Names: []string{"a.lan"}},
	} {
		r.Fits = fits
		if _, err := b.Issue(r); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	refused := errors.New("the key does not fit")
	if _, err := b.Issue(Request{Certificate: "lan", Key: "lan", Names: []string{"a.lan"}, Fits: func(crypto.Signer) error { return refused }}); !errors.Is(err, refused) {
		t.Error(err)
	}
	if list := b.o.Store.Keys(); len(list) != 2 {
		t.Errorf("something was stored: %v", list)
	}
	long := strings.Repeat("x", 63) + ".example.lan" // no common name has that length
	c, err := b.Issue(Request{Certificate: "lan", Key: "lan", Names: []string{long, "*.example.lan", "10.1.2.3", "::ffff:10.1.2.3", "*.example.lan"}, Fits: fits})
	if err != nil || c.Subject.CommonName != "*.example.lan" || !slices.Equal(pki.NamesOf(c), []string{long, "*.example.lan", "10.1.2.3"}) {
		t.Errorf("%v, %v, %q", err, pki.NamesOf(c), c.Subject.CommonName)
	}
	if _, err := b.Issue(Request{Certificate: "lan", Key: "lan", Names: []string{"a.lan"}, Fits: fits}); err == nil {
		t.Error("a certificate was overwritten")
	}
}

func (b *box) root0() *x509.Certificate {
	chain, err := b.o.Store.Certificates(pki.InternalName)
	if err != nil {
		b.t.Fatal(err)
	}
	return chain[0]
}
