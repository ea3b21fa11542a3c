package image

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/image/update"
)

// flashChip is a partition in memory that loses power after some bytes have been written: what is under way then is half there.
type flashChip struct {
	data  []byte
	power *int // bytes that can still be written, on all chips together
}

var errPower = errors.New("no power")

func (c flashChip) ReadAt(p []byte, off int64) (int, error) {
	if *c.power < 0 {
		return 0, errPower
	}
	return bytes.NewReader(c.data).ReadAt(p, off)
}

func (c flashChip) WriteAt(p []byte, off int64) (int, error) {
	// A sector is written whole or not at all: that is what the files of the boot loader rely on.
	n := min(len(p), max(*c.power, 0)/sector*sector)
	copy(c.data[off:], p[:n])
	if n < len(p) {
		*c.power = -1
		return n, errPower
	}
	*c.power -= (n + sector - 1) / sector * sector
	return n, nil
}

func (c flashChip) Sync() error { return nil }

// chips are a box with old firmware in slot a: roots and kernels of a few bytes, boot files as of a board with all of them.
func chips(t *testing.T) (update.Disk, *int) {
	t.Helper()
	b := boardProfile{name: "test", console: "console=x"}
	tree, err := bootFiles(b, Release{Version: "v1", Built: when}, toolchain{}, []byte("old kernel"), t.TempDir(), "boot.go")
	if err != nil {
		t.Fatal(err)
	}
	tree.file("config.txt", 0o644, configText("enable_uart=0\nkernel=vmlinuz", b))
	boot, err := writeFAT16(tree, "VIADUCT", 64*mib, 0, when)
	if err != nil {
		t.Fatal(err)
	}
	power := 1 << 30
	d := update.Disk{
		Boot:     flashChip{boot, &power},
		Roots:    [2]update.Device{flashChip{make([]byte, mib), &power}, flashChip{make([]byte, mib), &power}},
		RootSize: mib,
	}
	if _, err := d.Roots[0].WriteAt([]byte("old root"), 0); err != nil {
		t.Fatal(err)
	}
	return d, &power
}

// boots returns what would start now: the slot, and the first bytes of its root and kernel as each boot loader would take them.
func boots(t *testing.T, d update.Disk) (slot update.Slot, root, kernel string) {
	t.Helper()
	line, err := update.Read(d.Boot, "cmdline.txt")
	if err != nil {
		t.Fatal(err)
	}
	if slot, err = update.Running(string(line)); err != nil {
		t.Fatal(err)
	}
	read := func(dev update.Device, at int64) string {
		b := make([]byte, 32)
		if _, err := dev.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(b), "\x00")
	}
	entry, err := update.Read(d.Boot, "loader/entries/gokrazy.conf")
	if err != nil {
		t.Fatal(err)
	}
	config, err := update.Read(d.Boot, "config.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []update.Slot{update.A, update.B} {
		// Whatever a boot loader is told, it must be whole: either file may lag behind the other.
		for name, text := range map[string][]byte{"config.txt": config, "gokrazy.conf": entry} {
			if bytes.Contains(text, []byte(s.KernelFile())) {
				at, _, err := update.Find(d.Boot, s.KernelFile())
				if err != nil {
					t.Fatal(err)
				}
				if k := read(d.Boot, at); k != "old kernel" && k != "new kernel" {
					t.Errorf("%s names a kernel that holds %q", name, k)
				}
				kernel = read(d.Boot, at)
			}
		}
	}
	if s, err := update.Running(string(entry)); err != nil || !strings.HasSuffix(read(d.Roots[s], 0), " root") {
		t.Errorf("gokrazy.conf names a root that is not whole (%v)", err)
	}
	return slot, read(d.Roots[slot], 0), kernel
}

func bundle(t *testing.T, key ed25519.PrivateKey, change func(*update.Manifest)) []byte {
	t.Helper()
	m := update.Manifest{Board: "test", Version: "v2", Commit: "c2", Built: when.Add(time.Hour)}
	change(&m)
	var b bytes.Buffer
	if err := update.Write(&b, key, m, []byte("new root"), []byte("new kernel")); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asBuilt(*update.Manifest) {}

func newKey(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func options(t *testing.T, d update.Disk, running update.Slot, key ed25519.PublicKey) update.Options {
	return update.Options{
		Disk: d, Running: running, Board: "test", Built: when, Keys: []ed25519.PublicKey{key},
		Spool: filepath.Join(t.TempDir(), "spool"), Tell: func(string) {},
	}
}

func TestUpdateIsTriedAndKept(t *testing.T) {
	d, _ := chips(t)
	public, private := newKey(t)
	if _, err := update.Install(bytes.NewReader(bundle(t, private, asBuilt)), options(t, d, update.A, public)); err != nil {
		t.Fatal(err)
	}
	slot, root, kernel := boots(t, d)
	if slot != update.B || root != "new root" || kernel != "new kernel" {
		t.Fatalf("slot %v starts with %q and %q", slot, root, kernel)
	}
	for range 2 { // it may restart once before it is healthy
		if trial, back, err := d.Started(update.B); !trial || back || err != nil {
			t.Fatalf("trial %v, back %v, %v", trial, back, err)
		}
	}
	if err := d.Confirm(update.B); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if trial, back, err := d.Started(update.B); trial || back || err != nil {
			t.Fatalf("after it is confirmed: trial %v, back %v, %v", trial, back, err)
		}
	}
	s, err := d.State()
	if err != nil || s.Slots[0].Version != "v1" || s.Slots[1].Version != "v2" {
		t.Errorf("%+v, %v", s, err)
	}
	// And the next one goes to the other slot, with the same kernel.
	if _, err := update.Install(bytes.NewReader(bundle(t, private, func(m *update.Manifest) { m.Version, m.Built = "v3", when.Add(2*time.Hour) })), options(t, d, update.B, public)); err != nil {
		t.Fatal(err)
	}
	if slot, root, _ := boots(t, d); slot != update.A || root != "new root" {
		t.Errorf("slot %v starts with %q", slot, root)
	}
}

func TestUpdateThatIsNeverHealthyIsTakenBack(t *testing.T) {
	d, _ := chips(t)
	public, private := newKey(t)
	if _, err := update.Install(bytes.NewReader(bundle(t, private, asBuilt)), options(t, d, update.A, public)); err != nil {
		t.Fatal(err)
	}
	for range update.Tries {
		if trial, back, err := d.Started(update.B); !trial || back || err != nil {
			t.Fatalf("trial %v, back %v, %v", trial, back, err)
		}
	}
	if _, back, err := d.Started(update.B); !back || err != nil {
		t.Fatalf("back %v, %v", back, err)
	}
	if slot, root, kernel := boots(t, d); slot != update.A || root != "old root" || kernel != "old kernel" {
		t.Errorf("slot %v starts with %q and %q", slot, root, kernel)
	}
	if trial, back, err := d.Started(update.A); trial || back || err != nil {
		t.Errorf("the old firmware: trial %v, back %v, %v", trial, back, err)
	}
	if s, err := d.State(); err != nil || !s.Slots[1].Failed {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestBadUpdatesAreRefusedAndNothingIsWritten(t *testing.T) {
	public, private := newKey(t)
	_, stranger := newKey(t)
	good := bundle(t, private, asBuilt)
	damaged := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	manifest := bytes.IndexByte(good, '\n') + 10
	for name, c := range map[string]struct {
		bundle []byte
		want   string
	}{
		"of a stranger's key":   {bundle(t, stranger, asBuilt), "not of a key that this firmware trusts"},
		"another manifest":      {damaged(manifest), "not of a key that this firmware trusts"},
		"another signature":     {damaged(bytes.LastIndex(good, []byte("==\n")) - 20), "signature"},
		"a damaged root":        {damaged(bytes.LastIndex(good, []byte("==\n")) + 20), "root is damaged"},
		"a damaged kernel":      {damaged(len(good) - 5), "kernel is damaged"},
		"cut short in the head": {good[:manifest], "no update"},
		"cut short at the end":  {good[:len(good)-1], "cut short"},
		"too long":              {append(bytes.Clone(good), 'x'), "goes on after its end"},
		"empty":                 {nil, "no update"},
		"something else":        {[]byte("PK\x03\x04" + strings.Repeat("zip", 10000)), "no update"},
		"for another board":     {bundle(t, private, func(m *update.Manifest) { m.Board = "rpi4" }), "the update is for rpi4, this is test"},
		"older":                 {bundle(t, private, func(m *update.Manifest) { m.Built = when.Add(-time.Hour) }), "only if forced"},
	} {
		d, power := chips(t)
		*power = 0
		_, err := update.Install(bytes.NewReader(c.bundle), options(t, d, update.A, public))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if *power != 0 {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestAnOlderUpdateIsTakenWhenForced(t *testing.T) {
	d, _ := chips(t)
	public, private := newKey(t)
	o := options(t, d, update.A, public)
	o.Force = true
	if _, err := update.Install(bytes.NewReader(bundle(t, private, func(m *update.Manifest) { m.Built = when.Add(-time.Hour) })), o); err != nil {
		t.Error(err)
	}
}

func TestNoKeysNoUpdates(t *testing.T) {
	d, _ := chips(t)
	_, private := newKey(t)
	o := options(t, d, update.A, nil)
	o.Keys = nil
	if _, err := update.Install(bytes.NewReader(bundle(t, private, asBuilt)), o); err == nil || !strings.Contains(err.Error(), "without a key") {
		t.Error(err)
	}
}

// Wherever power goes while an update is written, what starts is whole; and after a start, an update can be installed.
func TestPowerCutDuringAnUpdateLeavesABoxThatStarts(t *testing.T) {
	public, private := newKey(t)
	b := bundle(t, private, asBuilt)
	seen := map[string]bool{}
	for cut := 0; ; cut += sector {
		d, power := chips(t)
		*power = cut
		_, err := update.Install(bytes.NewReader(b), options(t, d, update.A, public))
		*power = 1 << 30
		slot, root, kernel := boots(t, d)
		seen[fmt.Sprint(slot, root, kernel)] = true
		if want := map[update.Slot]string{update.A: "old root", update.B: "new root"}[slot]; root != want {
			t.Errorf("cut after %d bytes: slot %v starts with %q", cut, slot, root)
		}
		if _, _, err := d.Started(slot); err != nil {
			t.Errorf("cut after %d bytes: %v", cut, err)
		}
		if slot == update.A {
			if _, err := update.Install(bytes.NewReader(b), options(t, d, slot, public)); err != nil {
				t.Errorf("cut after %d bytes, and then: %v", cut, err)
			}
		}
		if err == nil {
			break
		}
	}
	if len(seen) < 2 {
		t.Errorf("only %v was seen: the cuts were not where they matter", seen)
	}
}
