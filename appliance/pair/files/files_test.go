package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// path is the way between two boxes, which loses nothing. One table: that of whoever leads.
type path struct {
	mu    sync.Mutex
	leads [3]uint64 // by box
	table map[string][]byte
	puts  int
	boxes [3]*box
}

// end is a box's end of it.
type end struct {
	*path
	box uint64
}

func (e end) Leads() uint64       { e.mu.Lock(); defer e.mu.Unlock(); return e.leads[e.box] }
func (e end) Complete() bool      { e.mu.Lock(); defer e.mu.Unlock(); return e.leads[3-e.box] != 0 }
func (e end) Sender() pair.Sender { return e }
func (e end) Tell(note []byte) {
	if other := e.boxes[3-e.box]; other != nil {
		other.Noted(note)
	}
}

func (e end) Put(_ pair.Kind, id string, value []byte) {
	e.mu.Lock()
	e.table[id] = value
	e.puts++
	e.mu.Unlock()
	e.boxes[3-e.box].Nudge()
}

func (e end) Drop(_ pair.Kind, id string) {
	e.mu.Lock()
	delete(e.table, id)
	e.mu.Unlock()
	e.boxes[3-e.box].Nudge()
}

func (e end) Kept(pair.Kind) (list []pair.Kept) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, value := range e.table {
		list = append(list, pair.Kept{ID: id, Value: value})
	}
	return list
}

// box is one of two, with its folder.
type box struct {
	*Files
	t       *testing.T
	store   *store.Store
	secrets *store.Secrets
	dir     string
	blank   error // why it copies nothing

	mu      sync.Mutex
	running []byte
	refuses error
	commits int
	stored  []string
}

func newBox(t *testing.T, p *path, n uint64) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), running: fmt.Appendf(nil, "hostname box%d\n", n)}
	var err error
	b.store, err = store.Open(b.dir)
	must(t, err)
	b.secrets, err = store.OpenSecrets(b.dir, "$")
	must(t, err)
	b.Files = New(Options{Copies: func() error { return b.blank }, Log: slog.New(slog.DiscardHandler), Link: end{p, n}, Store: b.store, Secrets: b.secrets,
		Running: func() []byte { b.mu.Lock(); defer b.mu.Unlock(); return b.running },
		Commit: func(text []byte) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.refuses == nil {
				b.running = text
				b.commits++
			}
			return b.refuses
		},
		Save: func(text []byte) error {
			if text == nil {
				return b.store.EraseStartup()
			}
			return b.store.SaveStartup(text)
		},
		Stored: func(keys, licenses bool) { b.stored = append(b.stored, fmt.Sprint(keys, licenses)) },
	})
	p.boxes[n] = b
	return b
}

// twoBoxes makes a pair whose first box is active.
func twoBoxes(t *testing.T) (p *path, one, two *box) {
	p = &path{table: map[string][]byte{}}
	one, two = newBox(t, p, 1), newBox(t, p, 2)
	p.lead(1)
	return p, one, two
}

func (p *path) lead(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leads = [3]uint64{}
	p.leads[n] = uint64(time.Now().UnixNano())
	clear(p.table)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// alike compares what both boxes have.
func alike(t *testing.T, one, two *box) {
	t.Helper()
	a, err := one.own()
	must(t, err)
	b, err := two.own()
	must(t, err)
	for _, name := range slices.Sorted(maps.Keys(merged(a, b))) {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s: %q and %q", name, a[name], b[name])
		}
	}
	if s := one.Sums(); !maps.Equal(s, two.Sums()) || len(s) < 7 {
		t.Errorf("sums differ: %v, %v", s, two.Sums())
	}
}

func write(t *testing.T, b *box, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(filepath.Join(b.dir, name)), 0o700))
	must(t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
}

func TestTheStandbyGetsWhatMakesTheActiveBox(t *testing.T) {
	_, one, two := twoBoxes(t)
	certificate, key := pkitest.SelfSigned(t, "sbc.example.com")
	_, err := one.store.ImportCertificate("SBC", certificate)
	must(t, err)
	_, err = one.store.ImportPrivateKey("SBC", key, "")
	must(t, err)
	must(t, one.store.SaveStartup([]byte("hostname box1\n")))
	must(t, one.store.SaveCalendar([]byte("calendar")))
	must(t, one.store.SavePresence([]byte("presence")))
	must(t, one.store.SaveStarface([]byte("starface")))
	must(t, one.store.SaveProvisioningTemplate("snom", []byte("template")))
	must(t, one.store.SaveACMEFile("account-1", []byte("{}")))
	must(t, one.store.SaveACMEFile("order-1", []byte("{}")))
	must(t, one.store.AddLicense("license-1"))
	write(t, one, "fleet/key", "seed")
	write(t, one, "fleet/spool", "not of the pair")
	write(t, two, "fleet/spool", "of box 2")
	_, err = two.store.ImportCertificate("OLD", certificate)
	must(t, err)
	must(t, two.store.SaveCalendar([]byte("old")))

	if two.Ready() == "" {
		t.Error("ready before it has anything")
	}
	one.round()
	two.round()
	if why := one.Ready() + two.Ready(); why != "" {
		t.Fatalf("not ready: %s", why)
	}
	alike(t, one, two)
	if _, err := two.store.PrivateKey("SBC"); err != nil {
		t.Error(err)
	}
	if _, err := two.store.Certificates("OLD"); err == nil {
		t.Error("a certificate that the active box has not got stayed")
	}
	if _, err := two.store.ACMEFile("order-1"); err == nil {
		t.Error("an order was copied")
	}
	if text, _ := os.ReadFile(filepath.Join(two.dir, "fleet/spool")); string(text) != "of box 2" {
		t.Errorf("the spool is %q", text)
	}
	if fi, err := os.Stat(filepath.Join(two.dir, "pki/private-key/SBC")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", fi, err)
	}
	sealed, err := one.secrets.Seal("secret")
	must(t, err)
	if open, err := two.secrets.Unseal(sealed); err != nil || open != "secret" {
		t.Errorf("a password of the active box does not open: %v", err)
	}

	// Nothing is told or stored twice.
	puts, commits, stored := one.o.Link.(end).puts, two.commits, len(two.stored)
	one.round()
	two.round()
	if n := one.o.Link.(end).puts; n != puts || two.commits != commits || len(two.stored) != stored {
		t.Errorf("%d puts more, %d commits, %d stored", n-puts, two.commits-commits, len(two.stored)-stored)
	}

	// What goes on one box goes on the other.
	must(t, one.store.RemoveKey(status.KeyPrivate, "SBC"))
	must(t, one.store.RemoveKey(status.KeyCertificate, "SBC"))
	must(t, one.store.EraseStartup())
	must(t, one.store.EraseCalendar())
	must(t, one.store.EraseProvisioningTemplate("snom"))
	must(t, os.Remove(filepath.Join(one.dir, "fleet/key")))
	one.running = []byte("hostname other\n")
	one.round()
	two.round()
	alike(t, one, two)
	if string(two.running) != "hostname other\n" {
		t.Errorf("it runs %q", two.running)
	}
}

func TestAStandbyThatCannotTakeSomethingIsNotReady(t *testing.T) {
	p, one, two := twoBoxes(t)
	two.refuses = errors.New("line 7 is not\x1b known")
	one.round()
	two.round()
	if why := two.Ready(); why != `the running configuration of the active box cannot be taken: line 7 is not\x1b known` {
		t.Errorf("%q", why)
	}
	two.refuses = nil
	two.round()
	if why := two.Ready(); why != "" {
		t.Error(why)
	}
	for _, name := range []string{"private-key/x", "certificate/x", "certificate/../x", "private-key/", "acme/order-1", "template/../../x"} {
		p.mu.Lock()
		p.table[name] = []byte("damaged")
		p.mu.Unlock()
		two.round()
		if two.Ready() == "" {
			t.Errorf("%q was taken", name)
		}
		p.mu.Lock()
		delete(p.table, name)
		p.mu.Unlock()
	}
	two.round()
	if why := two.Ready(); why != "" {
		t.Error(why)
	}
}

// A box out of the carton that is active has nothing. What the other one has stays, to the last file.
func TestNothingIsCopiedFromABoxThatHasNothing(t *testing.T) {
	p, one, two := twoBoxes(t)
	write(t, two, "presence", "of the pair")
	before, err := two.own()
	must(t, err)
	two.blank = errors.New("the other box has nothing")
	p.lead(1)
	one.round()
	two.round()
	after, err := two.own()
	must(t, err)
	if !maps.EqualFunc(before, after, bytes.Equal) || two.Ready() != two.blank.Error() {
		t.Errorf("it has taken something: %s", two.Ready())
	}
	two.blank = nil
	two.round()
	alike(t, one, two)
}

func TestAReleaseThatPrintsTheConfigurationInAnotherWay(t *testing.T) {
	_, one, two := twoBoxes(t)
	commit := two.o.Commit
	two.o.Commit = func(text []byte) error { return commit(append([]byte("! newer\n"), text...)) }
	one.round()
	two.round()
	two.round()
	two.round()
	if two.commits != 1 {
		t.Errorf("%d commits", two.commits)
	}
	two.running = []byte("changed here\n")
	two.round()
	if two.commits != 2 {
		t.Error("a change on the standby stays")
	}
}

func TestLicensesOfBothBoxesAreOneSet(t *testing.T) {
	p, one, two := twoBoxes(t)
	must(t, one.store.AddLicense("one-1"))
	must(t, one.store.AddLicense("one-2"))
	must(t, two.store.AddLicense("two-1"))
	rounds := func() {
		for range 3 {
			one.round()
			two.round()
		}
	}
	want := func(keys ...string) {
		t.Helper()
		for _, b := range []*box{one, two} {
			got, err := b.store.Licenses()
			must(t, err)
			if slices.Sort(got); !slices.Equal(got, keys) {
				t.Errorf("%v, want %v", got, keys)
			}
		}
	}
	rounds()
	want("one-1", "one-2", "two-1")
	must(t, one.store.RemoveLicense("two-1"))
	must(t, one.store.RemoveLicense("one-1"))
	rounds()
	want("one-2")
	must(t, two.store.AddLicense("two-2"))
	rounds()
	want("one-2", "two-2")
	p.lead(2)
	rounds()
	must(t, two.store.RemoveLicense("one-2"))
	rounds()
	want("two-2")
	two.Noted([]byte("good\n" + strings.Repeat("x", maxLicense+1) + "\n#comment\nb\x00d\nsch\u00f6n"))
	two.round()
	rounds()
	want("good", "two-2")
}

func TestRunTellsAndTakesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two := twoBoxes(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = one.Run(ctx) })
		running.Go(func() { _ = two.Run(ctx) })
		synctest.Wait()
		must(t, one.store.SaveCalendar([]byte("new")))
		time.Sleep(every)
		synctest.Wait()
		alike(t, one, two)
		cancel()
		running.Wait()
	})
}

// A box of a later release has more to tell. This one takes what it knows, and could take over.
func TestWhatALaterReleaseHasAsWell(t *testing.T) {
	p, one, two := twoBoxes(t)
	must(t, one.store.SaveCalendar([]byte("calendar")))
	one.round()
	p.mu.Lock()
	later := []string{"later/thing", "../x", "secret.key", "fleet/../x", "fleet/spool", "fleet/lease-x", "x", ""}
	for _, name := range later {
		p.table[name] = []byte("1")
	}
	p.mu.Unlock()
	two.round()
	for _, name := range later[:len(later)-1] {
		if text, err := os.ReadFile(filepath.Join(two.dir, name)); err == nil && string(text) == "1" {
			t.Errorf("%s: %q", name, text)
		}
	}
	if text, err := two.store.Calendar(); string(text) != "calendar" || err != nil || two.Ready() != "" {
		t.Errorf("%q, %v, %s", text, err, two.Ready())
	}
	stored := len(two.stored)
	if two.round(); len(two.stored) != stored {
		t.Error("it takes the same again and again")
	}
}

// Flash that is full at the standby: it says so and is not ready, what it had stays, and it takes all as soon as there is room.
func TestFullFlashAtTheStandby(t *testing.T) {
	_, one, two := twoBoxes(t)
	one.round()
	two.round()
	must(t, one.store.SaveCalendar([]byte("calendar")))
	must(t, one.store.SavePresence([]byte("presence")))
	one.round()
	full := filepath.Join(two.dir, "pki/taking/in the way") // nothing can be written there
	must(t, os.MkdirAll(full, 0o700))
	two.round()
	if text, _ := two.store.Calendar(); text != nil || !strings.Contains(two.Ready(), "calendar of the active box cannot be taken") {
		t.Errorf("%q, %s", text, two.Ready())
	}
	must(t, os.RemoveAll(filepath.Dir(full)))
	if two.round(); two.Ready() != "" {
		t.Error(two.Ready())
	}
	alike(t, one, two)
}
