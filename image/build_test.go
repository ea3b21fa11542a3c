package image

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"viaduct/appliance/lab"
	"viaduct/image/update"
)

// imageDir is the folder of what is built once for all tests.
var imageDir string

// builtPrograms is the folder of the programs of a box.
var builtPrograms = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(imageDir, "programs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, toolchain{}.build(dir, release, allShipped())
})

// builtImage is the image of a box.
var builtImage = sync.OnceValues(func() (string, error) {
	name := filepath.Join(imageDir, "box.img")
	return name, assembleTo("qemu-virt", name)
})

// release is that of builtImage.
var release = Release{Version: "v9.8.7", Commit: "0123456789abcdef", Built: when}

func TestMain(m *testing.M) {
	lab.Enter()
	if image := os.Getenv(emulateOnly); image != "" {
		os.Exit(emulateForEver(image))
	}
	os.Exit(withImageDir(m.Run))
}

func withImageDir(run func() int) int {
	var err error
	if imageDir, err = os.MkdirTemp("", "viaduct-image-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(imageDir)
	return run()
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

func optionsFor(board, name string) (Options, error) {
	efi, err := efiLoader()
	return Options{Board: board, Out: name, EFI: efi, Trust: trusted(), Release: release}, err
}

// assembleTo makes a board's image of the programs that are built already.
func assembleTo(board, name string) error {
	programs, err := builtPrograms()
	if err != nil {
		return err
	}
	profile, err := boardNamed(board)
	if err != nil {
		return err
	}
	o, err := optionsFor(board, name)
	if err != nil {
		return err
	}
	_, err = assemble(profile, o, programs)
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
	o, err := optionsFor("qemu-virt", again)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(o); err != nil {
		t.Fatal(err)
	}
	if a, b := hash(t, first), hash(t, again); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

// loaderFiles are what the boot loader of each board wants.
var loaderFiles = map[string][]string{
	"qemu-virt":  {"kernela.img", "kernelb.img", "slots.txt"},
	"uefi-arm64": {"EFI/BOOT/BOOTAA64.EFI", "loader/loader.conf", "kernela.img", "kernelb.img", "slots.txt"},
	"rpi4":       {"start4.elf", "fixup4.dat", "config.txt", "tryboot.txt", "cmdlinea.txt", "cmdlineb.txt", "kernela.img", "kernelb.img", "slots.txt"},
	"rpi5":       {"config.txt", "tryboot.txt", "cmdlinea.txt", "cmdlineb.txt", "kernela.img", "kernelb.img", "slots.txt"},
}

// Each board's image can be built, and has what its boot loader wants in a sound partition.
func TestEveryBoardHasAnImage(t *testing.T) {
	for board, want := range loaderFiles {
		t.Run(board, func(t *testing.T) {
			name, err := builtImage()
			if board != "qemu-virt" {
				name = filepath.Join(t.TempDir(), "img")
				err = assembleTo(board, name)
			}
			if err != nil {
				t.Fatal(err)
			}
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
}

// Package board and this one have a part each of what is known of a board.
func TestBoardsHaveBothParts(t *testing.T) {
	for _, name := range Boards() {
		if _, found := boots[name]; !found {
			t.Errorf("board %s has a profile, and nothing says how it starts", name)
		}
		if len(loaderFiles[name]) == 0 {
			t.Errorf("loaderFiles lacks board %s: no test builds its image", name)
		}
	}
	for name := range boots {
		if !slices.Contains(Boards(), name) {
			t.Errorf("board %s has no profile", name)
		}
	}
}

// A panic shows where the board's console is.
func TestTheKernelKnowsTheSerialLine(t *testing.T) {
	want := map[string]string{
		"qemu-virt":  "console=ttyAMA0,115200",
		"uefi-arm64": "console=ttyS0,115200 console=ttyAMA0,115200",
		"rpi4":       "console=serial0,115200",
		"rpi5":       "console=ttyAMA10,115200",
	}
	for _, name := range Boards() {
		if b, err := boardNamed(name); err != nil || b.console() != want[name] {
			t.Errorf("%s: %q (%v), want %q", name, b.console(), err, want[name])
		}
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
