package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/image/update"
)

// chip is a partition in memory.
type chip []byte

func (c chip) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(c).ReadAt(p, off) }
func (c chip) WriteAt(p []byte, off int64) (int, error) { return copy(c[off:], p), nil }
func (c chip) Sync() error                              { return nil }

// bootChip is a boot partition with these files of one cluster each, by their 8.3 names.
func bootChip(files map[string]string) chip {
	const cluster, entries = 4096, 512
	c := make(chip, 1<<20)
	le := binary.LittleEndian
	le.PutUint16(c[14:], 1)
	c[16] = 1
	le.PutUint16(c[17:], entries)
	le.PutUint16(c[22:], 1)
	n := 0
	for name, text := range files {
		e := c[1024+32*n:]
		copy(e, name)
		le.PutUint16(e[26:], uint16(2+n))
		le.PutUint32(e[28:], uint32(len(text)))
		copy(c[1024+entries*32+n*cluster:], text)
		n++
	}
	return c
}

func TestUpdateOverTheSocket(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	state, err := update.State{Slots: [2]update.Firmware{{Version: "v1", Built: now}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	boot := bootChip(map[string]string{
		"SLOTS   TXT": string(state), "CONFIG  TXT": "kernel=kernela.img\n", "TRYBOOT TXT": "kernel=kernelb.img\n",
		"KERNELA IMG": strings.Repeat("a", 100), "KERNELB IMG": strings.Repeat("b", 100),
	})
	asked := 0
	d := update.Disk{
		Boot: boot, Roots: [2]update.Device{make(chip, 4096), make(chip, 4096)}, RootSize: 4096,
		TryOnce: func() error { asked++; return nil },
	}
	f := &firmware{disk: d, board: "qemu-virt", options: update.Options{
		Disk: d, Board: "qemu-virt", Built: now, Keys: []ed25519.PublicKey{public}, Spool: filepath.Join(t.TempDir(), "spool"),
	}}
	server := httptest.NewServer(f)
	defer server.Close()

	put := func(bundle []byte, query string) (lines []string, last update.Progress) {
		t.Helper()
		request, err := http.NewRequest(http.MethodPut, server.URL+update.InstallPath+query, bytes.NewReader(bundle))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		for in := json.NewDecoder(answer.Body); !last.Done; {
			last = update.Progress{}
			if err := in.Decode(&last); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, last.Text)
		}
		return lines, last
	}
	bundle := func(built time.Time) []byte {
		root, err := update.Pack(update.Root, []byte("root"))
		if err != nil {
			t.Fatal(err)
		}
		kernel, err := update.Pack(update.Kernel, []byte("kernel"))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := update.Write(&b, private, update.Manifest{Board: "qemu-virt", Version: "v2", Built: built}, root, kernel); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if _, last := put([]byte("nonsense\n"), ""); !strings.Contains(last.Error, "no update") {
		t.Errorf("nonsense: %+v", last)
	}
	if _, last := put(bundle(now.Add(-time.Hour)), ""); !strings.Contains(last.Error, "only if forced") {
		t.Errorf("older: %+v", last)
	}
	lines, last := put(bundle(now.Add(-time.Hour)), "?force=1")
	if last.Error != "" || len(lines) < 4 || asked != 1 {
		t.Errorf("forced: %+v after %q, asked %d times", last, lines, asked)
	}
	answer, err := http.Get(server.URL + update.InstallPath)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var images update.Images
	if err := json.NewDecoder(answer.Body).Decode(&images); err != nil {
		t.Fatal(err)
	}
	if images.Running != "a" || images.State.Slots[1].Version != "v2" || images.State.Trial == nil {
		t.Errorf("%+v", images)
	}
	// While the new firmware is on trial, the other slot is what it would go back to.
	f.running = update.B
	if _, last := put(bundle(now), ""); !strings.Contains(last.Error, "on trial") {
		t.Errorf("on trial: %+v", last)
	}
}

func TestATrialEndsWellOnlyWithThePortsOfBefore(t *testing.T) {
	box := func(ports ...string) *firmware {
		state, err := update.State{Trial: &update.Trial{Slot: update.B, Tries: 1, Asked: 1, Ports: ports}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return &firmware{running: update.B, disk: update.Disk{Boot: bootChip(map[string]string{
			"SLOTS   TXT": string(state), "CONFIG  TXT": "kernel=kernela.img\n", "TRYBOOT TXT": "kernel=kernelb.img\n",
		})}}
	}
	f := box(append(portsUp(), "eth77")...)
	if err := f.confirm(); err == nil || err.Error() != "eth77 was up before the update" {
		t.Errorf("a port is missing: %v", err)
	}
	if s, err := f.disk.State(); err != nil || s.Trial == nil {
		t.Errorf("a port is missing: %+v, %v", s, err)
	}
	f = box(portsUp()...)
	if err := f.confirm(); err != nil {
		t.Error(err)
	}
	text, err := update.Read(f.disk.Boot, "config.txt")
	if err != nil || string(text) != "kernel=kernelb.img\n" {
		t.Errorf("config.txt says %q, %v", text, err)
	}
	if s, err := f.disk.State(); err != nil || s.Trial != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAnUpdateThatWasCutLeavesNothing(t *testing.T) {
	spool := filepath.Join(t.TempDir(), "update.part")
	if err := os.WriteFile(spool, []byte("the beginning of a bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &firmware{options: update.Options{Spool: spool}}
	f.sweep()
	if _, err := os.Stat(spool); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it fills the data partition: %v", err)
	}
}

func TestAMediumThatIsNotAsExpectedIsSaidSo(t *testing.T) {
	f := &firmware{problem: fmt.Errorf("no partition 3")}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, update.InstallPath, nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no partition 3") || f.started() {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
