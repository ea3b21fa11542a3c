package image

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/board"
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

// loaders are the kinds of boot loaders, by what differs in a board's profile.
var loaders = map[string]boardProfile{
	"counts":     {Profile: board.Profile{Name: "test", Serial: "/dev/x"}},
	"tries once": {Profile: board.Profile{Name: "test", Serial: "/dev/x"}, boot: boot{config: []string{"enable_uart=1"}}},
}

// testBox is a box with old firmware in slot a, roots and kernels of a few bytes, and a boot loader.
type testBox struct {
	update.Disk
	power *int // see flashChip
	asked bool // the loader was asked to try
}

func newBox(t *testing.T, b boardProfile) *testBox {
	t.Helper()
	module := t.TempDir()
	if err := os.WriteFile(filepath.Join(module, "config.txt"), []byte("# of the kernel\nenable_uart=0\nkernel=vmlinuz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := bootFiles(b, Release{Version: "v1", Built: when}, toolchain{}, []byte("old kernel"), module, "")
	if err != nil {
		t.Fatal(err)
	}
	boot, err := writeFAT16(tree, "VIADUCT", 64*mib, 0, when)
	if err != nil {
		t.Fatal(err)
	}
	power := 1 << 30
	box := &testBox{power: &power}
	box.Disk = update.Disk{
		Boot:     flashChip{boot, &power},
		Roots:    [2]update.Device{flashChip{make([]byte, mib), &power}, flashChip{make([]byte, mib), &power}},
		RootSize: mib,
		TryOnce: func() error {
			if power < 0 {
				return errPower
			}
			box.asked = true
			return nil
		},
	}
	if _, err := box.Roots[0].WriteAt([]byte("old root"), 0); err != nil {
		t.Fatal(err)
	}
	return box
}

// boot does what the boot loader does, and returns what it starts: the slot, and the first bytes of its root and kernel.
func (d *testBox) boot(t *testing.T) (slot update.Slot, root, kernel string) {
	t.Helper()
	line, err := update.Next(d.Boot)
	name := regexp.MustCompile(`linux /(\S+)`)
	if err != nil {
		config := map[bool]string{false: "config.txt", true: "tryboot.txt"}[d.asked]
		d.asked = false
		text, err := update.Read(d.Boot, config)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`(?m)^cmdline=(.*)$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s says:\n%s", config, text)
		}
		if line, err = update.Read(d.Boot, string(m[1])); err != nil {
			t.Fatal(err)
		}
		line, name = append(line, text...), regexp.MustCompile(`(?m)^kernel=(.*)$`)
	}
	if slot, err = update.Running(string(line)); err != nil {
		t.Fatal(err)
	}
	m := name.FindSubmatch(line)
	if m == nil {
		t.Fatalf("no kernel in:\n%s", line)
	}
	at, _, err := update.Find(d.Boot, string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	read := func(dev update.Device, at int64) string {
		b := make([]byte, 32)
		if _, err := dev.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(b), "\x00")
	}
	return slot, read(d.Roots[slot], 0), read(d.Boot, at)
}

// up boots until PID 1 of some slot goes on. A kernel of the slot dead dies before PID 1.
func (d *testBox) up(t *testing.T, dead ...update.Slot) (slot update.Slot, trial bool) {
	t.Helper()
	for range 10 {
		slot, root, kernel := d.boot(t)
		if !strings.HasSuffix(root, " root") || !strings.HasSuffix(kernel, " kernel") {
			t.Fatalf("slot %v is started with %q and %q", slot, root, kernel)
		}
		if slices.Contains(dead, slot) {
			continue
		}
		trial, restart, err := d.Started(slot)
		if err != nil {
			t.Fatal(err)
		}
		if !restart {
			return slot, trial
		}
	}
	t.Fatal("it restarts for ever")
	return 0, false
}

func bundle(t *testing.T, key ed25519.PrivateKey, change func(*update.Manifest)) []byte {
	t.Helper()
	m := update.Manifest{Board: "test", Version: "v2", Commit: "c2", Built: when.Add(time.Hour)}
	change(&m)
	var b bytes.Buffer
	if err := update.Write(&b, key, m, packed(t, update.Root, []byte("new root")), packed(t, update.Kernel, []byte("new kernel"))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t *testing.T, name string, data []byte) update.Payload {
	t.Helper()
	p, err := update.Pack(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
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

// eachLoader runs a test for each kind of boot loader, on a box where an update has just been installed.
func eachLoader(t *testing.T, test func(t *testing.T, d *testBox, install func(version string, running update.Slot))) {
	for name, profile := range loaders {
		t.Run(name, func(t *testing.T) {
			d := newBox(t, profile)
			public, private := newKey(t)
			age := time.Duration(0)
			install := func(version string, running update.Slot) {
				t.Helper()
				age += time.Hour
				b := bundle(t, private, func(m *update.Manifest) { m.Version, m.Built = version, when.Add(age) })
				if _, err := update.Install(bytes.NewReader(b), options(t, d.Disk, running, public)); err != nil {
					t.Fatal(err)
				}
			}
			install("v2", update.A)
			test(t, d, install)
		})
	}
}

func TestUpdateIsTriedAndKept(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, install func(string, update.Slot)) {
		for range 2 { // it may restart once before it is healthy
			if slot, trial := d.up(t); slot != update.B || !trial {
				t.Fatalf("slot %v, trial %v", slot, trial)
			}
		}
		if err := d.Confirm(update.B); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if slot, trial := d.up(t); slot != update.B || trial {
				t.Fatalf("after it is confirmed: slot %v, trial %v", slot, trial)
			}
		}
		s, err := d.State()
		if err != nil || s.Slots[0].Version != "v1" || s.Slots[1].Version != "v2" {
			t.Errorf("%+v, %v", s, err)
		}
		// And the next one goes to the other slot.
		install("v3", update.B)
		if slot, root, kernel := d.boot(t); slot != update.A || root != "new root" || kernel != "new kernel" {
			t.Errorf("slot %v starts with %q and %q", slot, root, kernel)
		}
	})
}

// A box must not be without updates for ever because of one bad sector.
func TestAStateThatTheMediumHasSpoiled(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, install func(string, update.Slot)) {
		at, size, err := update.Find(d.Boot, update.StateFile)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"no JSON": "\xff\xff", "no such slot": `{"slots":[{},{}],"trial":{"slot":7,"tries":1}}`} {
			spoiled := append([]byte(text), bytes.Repeat([]byte(" "), int(size)-len(text))...)
			if _, err := d.Boot.WriteAt(spoiled, at); err != nil {
				t.Fatal(err)
			}
			slot, trial := d.up(t)
			if trial {
				t.Errorf("%s: on trial", name)
			}
			for slot != update.A { // nobody confirms it
				slot, _ = d.up(t)
			}
			install("v3", update.A)
			if slot, trial := d.up(t); slot != update.B || !trial {
				t.Errorf("%s: afterwards slot %v starts, trial %v", name, slot, trial)
			}
		}
	})
}

func takenBack(t *testing.T, d *testBox) {
	t.Helper()
	for range 5 {
		if slot, root, kernel := d.boot(t); slot != update.A || root != "old root" || kernel != "old kernel" {
			t.Errorf("slot %v starts with %q and %q", slot, root, kernel)
		}
		if trial, restart, err := d.Started(update.A); trial || restart || err != nil {
			t.Errorf("the old firmware: trial %v, restart %v, %v", trial, restart, err)
		}
	}
	if s, err := d.State(); err != nil || s.Trial != nil || !s.Slots[1].Failed {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUpdateThatIsNeverHealthyIsTakenBack(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, install func(string, update.Slot)) {
		for range update.Tries {
			if slot, trial := d.up(t); slot != update.B || !trial {
				t.Fatalf("slot %v, trial %v", slot, trial)
			}
		}
		if slot, trial := d.up(t); slot != update.A || trial {
			t.Fatalf("slot %v, trial %v", slot, trial)
		}
		takenBack(t, d)
		install("v3", update.A) // and the slot is good for another one
		if slot, trial := d.up(t); slot != update.B || !trial {
			t.Errorf("slot %v, trial %v", slot, trial)
		}
	})
}

func TestUpdateWhoseKernelDiesBeforePID1IsTakenBack(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, _ func(string, update.Slot)) {
		if slot, trial := d.up(t, update.B); slot != update.A || trial {
			t.Fatalf("slot %v, trial %v", slot, trial)
		}
		takenBack(t, d)
	})
}

func TestALoaderThatLosesAnEntryStartsTheOtherSlot(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, install func(string, update.Slot)) {
		at, size, err := update.Find(d.Boot, "loader/entries/SLOTB.CNF")
		if err != nil {
			return // it has no entries
		}
		if size == 0 || at == 0 {
			t.Fatalf("slot b's entry lies at %d and has %d bytes", at, size)
		}
		raw := d.Boot.(flashChip).data
		raw[bytes.Index(raw, []byte("SLOTB   CNF"))] = 0xe5 // its power went while it renamed the file
		if slot, trial := d.up(t); slot != update.A || trial {
			t.Fatalf("slot %v, trial %v", slot, trial)
		}
		install("v3", update.A)
		if slot, trial := d.up(t); slot != update.B || !trial {
			t.Errorf("slot %v, trial %v", slot, trial)
		}
	})
}

func TestTheBootPartitionStaysSound(t *testing.T) {
	eachLoader(t, func(t *testing.T, d *testBox, _ func(string, update.Slot)) {
		d.up(t)
		sound(t, d.Boot.(flashChip).data)
	})
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
		d := newBox(t, loaders["counts"])
		*d.power = 0
		_, err := update.Install(bytes.NewReader(c.bundle), options(t, d.Disk, update.A, public))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if *d.power != 0 {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestAnOlderUpdateIsTakenWhenForced(t *testing.T) {
	d := newBox(t, loaders["counts"])
	public, private := newKey(t)
	o := options(t, d.Disk, update.A, public)
	o.Force = true
	if _, err := update.Install(bytes.NewReader(bundle(t, private, func(m *update.Manifest) { m.Built = when.Add(-time.Hour) })), o); err != nil {
		t.Error(err)
	}
}

func TestNoKeysNoUpdates(t *testing.T) {
	d := newBox(t, loaders["counts"])
	_, private := newKey(t)
	o := options(t, d.Disk, update.A, nil)
	o.Keys = nil
	if _, err := update.Install(bytes.NewReader(bundle(t, private, asBuilt)), o); err == nil || !strings.Contains(err.Error(), "without a key") {
		t.Error(err)
	}
}

// Wherever power goes while an update is written, what starts is whole; and after a start, an update can be installed.
func TestPowerCutDuringAnUpdateLeavesABoxThatStarts(t *testing.T) {
	public, private := newKey(t)
	b := bundle(t, private, asBuilt)
	for name, profile := range loaders {
		t.Run(name, func(t *testing.T) {
			seen := map[update.Slot]int{}
			for cut := 0; ; cut += sector {
				d := newBox(t, profile)
				*d.power = cut
				_, installed := update.Install(bytes.NewReader(b), options(t, d.Disk, update.A, public))
				*d.power = 1 << 30
				slot, trial := d.up(t)
				seen[slot]++
				if (slot == update.B) != trial {
					t.Errorf("cut after %d bytes: slot %v, trial %v", cut, slot, trial)
				}
				if slot == update.A {
					if _, err := update.Install(bytes.NewReader(b), options(t, d.Disk, slot, public)); err != nil {
						t.Errorf("cut after %d bytes, and then: %v", cut, err)
					}
				}
				if slot, _ := d.up(t); slot != update.B {
					t.Errorf("cut after %d bytes: slot %v after the second try", cut, slot)
				}
				if installed == nil {
					break
				}
			}
			if seen[update.A] < 2 || seen[update.B] < 1 {
				t.Errorf("only %v was seen: the cuts were not where they matter", seen)
			}
		})
	}
}
