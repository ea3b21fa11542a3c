package image

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/image/update"
)

// section is a partition in an image file.
type section struct {
	*io.OffsetWriter
	*io.SectionReader
	f *os.File
}

func (s section) Sync() error { return s.f.Sync() }

// Seek would be ambiguous.
func (s section) Seek(offset int64, whence int) (int64, error) {
	return s.SectionReader.Seek(offset, whence)
}

func partitions(t *testing.T, name string) update.Disk {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	part := func(at, size int64) section {
		return section{io.NewOffsetWriter(f, at), io.NewSectionReader(f, at, size), f}
	}
	return update.Disk{Boot: part(bootStart, bootSize), Roots: [2]update.Device{part(rootA, rootSize), part(rootB, rootSize)}, RootSize: rootSize}
}

// install puts a firmware of these programs into slot b of a disk, as PID 1 does it.
func install(t *testing.T, name, programs string, r Release) {
	t.Helper()
	b, err := boardNamed("qemu-virt")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := rootFiles(b, r, programs, nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := writeSquashFS(tree, r.Built)
	if err != nil {
		t.Fatal(err)
	}
	module, err := toolchain{}.module(b.kernel)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile(filepath.Join(module, "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	public, private := newKey(t)
	var bundle bytes.Buffer
	m := update.Manifest{Board: b.name, Version: r.Version, Commit: r.Commit, Built: r.Built}
	if err := update.Write(&bundle, private, m, root, kernel); err != nil {
		t.Fatal(err)
	}
	o := options(t, partitions(t, name), update.A, public)
	o.Board, o.Keys = b.name, []ed25519.PublicKey{public}
	if _, err := update.Install(&bundle, o); err != nil {
		t.Fatal(err)
	}
}

func compiled(t *testing.T, r Release, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := (toolchain{}).build(dir, r, flags...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// eventually waits for a state of the slots.
func eventually(t *testing.T, name string, want func(update.State) bool) {
	t.Helper()
	d := partitions(t, name)
	var s update.State
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(time.Second) {
		var err error
		if s, err = d.State(); err == nil && want(s) {
			return
		}
	}
	t.Fatalf("the slots stay at %+v", s)
}

func TestUpdateIsTriedAndKeptByABoxWithUEFI(t *testing.T) {
	m := Machine{Disk: freshDisk(t), Work: t.TempDir(), UEFI: true, Memory: 1024}
	r := Release{Version: "v9.9.0", Commit: "fedcba", Built: when.Add(time.Hour)}
	install(t, m.Disk, compiled(t, r), r)
	e := powerOn(t, m)
	e.until(prompt)
	if v := e.run("show version"); !strings.Contains(v, "v9.9.0") {
		t.Errorf("show version:\n%s", v)
	}
	eventually(t, m.Disk, func(s update.State) bool { return s.Trial == nil && s.Slots[1].Version == "v9.9.0" })
}

func TestUpdateThatNeverAnswersIsTakenBackByTheBox(t *testing.T) {
	m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
	r := Release{Version: "v9.9.1", Commit: "bad", Built: when.Add(time.Hour)}
	programs := compiled(t, r, "-X main.trialLimit=5s")
	other, err := os.ReadFile(filepath.Join(programs, "randomd"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(programs, "sbcd"), other, 0o755); err != nil { // it runs, and answers nobody
		t.Fatal(err)
	}
	install(t, m.Disk, programs, r)
	for range update.Tries + 1 { // the last start finds that it has had its tries
		powerOn(t, m).ended()
	}
	e := powerOn(t, m)
	e.until(prompt)
	if v := e.run("show version"); !strings.Contains(v, "v9.8.7") {
		t.Errorf("show version:\n%s", v)
	}
	if s, err := partitions(t, m.Disk).State(); err != nil || s.Trial != nil || !s.Slots[1].Failed {
		t.Errorf("%+v, %v", s, err)
	}
}
