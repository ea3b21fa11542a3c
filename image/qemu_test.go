package image

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"viaduct/appliance/lab"
	"viaduct/image/update"
)

// One build serves all tests; the second one is for the comparison.
var (
	imageDir   string // of box.img; "" until it is built
	builtImage = sync.OnceValues(func() (string, error) {
		var err error
		if imageDir, err = os.MkdirTemp("", "viaduct-image-test"); err != nil {
			return "", err
		}
		return filepath.Join(imageDir, "box.img"), buildTo(filepath.Join(imageDir, "box.img"))
	})
)

func TestMain(m *testing.M) {
	lab.Enter()
	code := m.Run()
	if imageDir != "" {
		os.RemoveAll(imageDir)
	}
	os.Exit(code)
}

// efiLoader is systemd-boot, fetched as `make image BOARD=uefi-arm64` does.
var efiLoader = sync.OnceValues(func() (string, error) {
	name := "../build/systemd-bootaa64.efi"
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	out, err := exec.Command("./fetch-efi.sh", name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("fetch-efi.sh: %w\n%s", err, out)
	}
	return name, nil
})

func buildTo(name string) error {
	efi, err := efiLoader()
	if err != nil {
		return err
	}
	_, err = Build(Options{
		Board: "qemu-virt", Out: name, EFI: efi, Trust: trusted(),
		Release: Release{Version: "v9.8.7", Commit: "0123456789abcdef", Built: when},
	})
	return err
}

// trusted is the file of keys whose updates a box takes.
func trusted() []byte {
	return []byte(base64.StdEncoding.EncodeToString(boxKey.Public().(ed25519.PublicKey)) + "\n")
}

func TestTwoBuildsAreEqual(t *testing.T) {
	first, err := builtImage()
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again.img")
	if err := buildTo(again); err != nil {
		t.Fatal(err)
	}
	if a, b := hash(t, first), hash(t, again); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

// Each board's image can be built, and has what its boot loader wants in a sound partition.
func TestEveryBoardHasAnImage(t *testing.T) {
	efi, err := efiLoader()
	if err != nil {
		t.Fatal(err)
	}
	for board, want := range map[string][]string{
		"qemu-virt":  {"kernela.img", "kernelb.img", "slots.txt"},
		"uefi-arm64": {"EFI/BOOT/BOOTAA64.EFI", "loader/loader.conf", "kernela.img", "kernelb.img", "slots.txt"},
		"rpi4":       {"start4.elf", "fixup4.dat", "config.txt", "tryboot.txt", "cmdlinea.txt", "cmdlineb.txt", "kernela.img", "kernelb.img", "slots.txt"},
		"rpi5":       {"config.txt", "tryboot.txt", "cmdlinea.txt", "cmdlineb.txt", "kernela.img", "kernelb.img", "slots.txt"},
	} {
		t.Run(board, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "img")
			sizes, err := Build(Options{Board: board, Out: name, EFI: efi, Release: Release{Version: "v1", Commit: "c", Built: when}})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("kernel %.1f MiB, root %.1f MiB", float64(sizes.Kernel)/mib, float64(sizes.Root)/mib)
			boot := partitions(t, name).Boot
			for _, file := range want {
				if _, size, err := update.Find(boot, file); err != nil || size == 0 {
					t.Errorf("%s: %d bytes, %v", file, size, err)
				}
			}
			all, err := io.ReadAll(io.NewSectionReader(boot, 0, bootSize))
			if err != nil {
				t.Fatal(err)
			}
			sound(t, all)
		})
	}
	if len(Boards()) != 4 {
		t.Errorf("the boards are %v", Boards())
	}
}

func hash(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return hashOf(t, f)
}

func hashOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// emulated is a box under power.
type emulated struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys io.WriteCloser
	more chan []byte // from the serial line; closed at its end
	text bytes.Buffer
	read int // of text
}

// slow bounds each step: an emulated processor, on a machine that does other things too.
const slow = 3 * time.Minute

// disk is a fresh copy of the image on a larger medium.
func freshDisk(t *testing.T) string {
	t.Helper()
	built, err := builtImage()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "disk.img")
	tool(t, "cp", "--sparse=always", built, name)
	if err := os.Truncate(name, diskSize+256*mib); err != nil {
		t.Fatal(err)
	}
	return name
}

func powerOn(t *testing.T, m Machine) *emulated {
	t.Helper()
	return powerOnIn(t, m, func(start func() error) error { return start() })
}

// powerOnIn starts the emulator where `in` runs a function.
func powerOnIn(t *testing.T, m Machine, in func(func() error) error) *emulated {
	t.Helper()
	cmd, err := m.Command(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e := &emulated{t: t, cmd: cmd, more: make(chan []byte, 64)}
	out, err := cmd.StdoutPipe()
	if err == nil {
		e.keys, err = cmd.StdinPipe()
	}
	cmd.Stderr = os.Stderr
	if err == nil {
		err = in(cmd.Start)
	}
	if err != nil {
		t.Fatal(err)
	}
	go e.listen(out)
	t.Cleanup(e.powerOff)
	return e
}

// listen takes what the serial line says until it ends.
func (e *emulated) listen(line io.Reader) {
	defer close(e.more)
	for {
		b := make([]byte, 4096)
		n, err := line.Read(b)
		if err != nil {
			return
		}
		e.more <- b[:n]
	}
}

// powerOff pulls the plug. What the box has not synced is gone.
func (e *emulated) powerOff() {
	if e.cmd.ProcessState != nil {
		return
	}
	e.cmd.Process.Kill()
	for range e.more { // the pipe must be read to its end before Wait
	}
	e.cmd.Wait()
}

// ended waits until the emulator ends by itself: in a Machine without firmware, when the box restarts.
func (e *emulated) ended() {
	e.t.Helper()
	for deadline := time.After(slow); ; {
		select {
		case b, ok := <-e.more:
			if !ok {
				e.cmd.Wait()
				return
			}
			e.text.Write(b)
		case <-deadline:
			e.t.Fatalf("no restart within %v; the line says:\n%s", slow, e.text.Bytes()[e.read:])
		}
	}
}

// until reads the serial line until the pattern stands there, and returns all since the last time.
func (e *emulated) until(pattern string) string {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(slow)
	for {
		rest := e.text.Bytes()[e.read:]
		if m := re.FindIndex(rest); m != nil {
			e.read += m[1]
			return string(rest[:m[1]])
		}
		select {
		case b, ok := <-e.more:
			if !ok {
				e.t.Fatalf("the emulator ended; before %q:\n%s", pattern, rest)
			}
			e.text.Write(b)
		case <-deadline:
			e.t.Fatalf("no %q within %v; the line says:\n%s", pattern, slow, rest)
		}
	}
}

const prompt = `(?m)^\r?[\w-]+(\([\w./-]+\)(\[[^\]]*\])?)?[>#]$`

// run runs one command and returns what it printed.
func (e *emulated) run(line string) string {
	e.t.Helper()
	io.WriteString(e.keys, line+"\r")
	text := e.until(prompt)
	if strings.Contains(text, "\n% ") {
		e.t.Errorf("%s: %s", line, text)
	}
	return text
}

// again runs a command until its answer holds the pattern: what a configuration sets off takes a moment.
func (e *emulated) again(line, pattern string) {
	e.t.Helper()
	re := regexp.MustCompile(pattern)
	var text string
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if text = e.run(line); re.MatchString(text) {
			return
		}
	}
	e.t.Fatalf("%s never said %q but:\n%s\n%s", line, pattern, text, e.run("show log 60"))
}

// grown checks that the data partition reaches to the end of the medium, in a sound table.
func grown(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(f, uint64(info.Size())); err != nil {
		t.Errorf("partition table: %v", err)
	}
	if end := int64(table.Partitions[partData-1].End+1) * sector; info.Size()-end > mib {
		t.Errorf("the data partition ends at %d of %d", end, info.Size())
	}
}
