package image

import (
	"fmt"
	"path/filepath"
	"strings"

	"viaduct/board"
)

// boardProfile is what the image of a board holds besides what all have.
type boardProfile struct {
	board.Profile
	boot
}

// boot is how a board starts.
type boot struct {
	kernel   string   // Go module
	serial   string   // another serial line for the kernel's messages, besides that of the console
	needsEFI bool     // it boots in no other way
	firmware []string // files of the Raspberry Pi's firmware, as patterns
	trees    []string // device trees of the kernel module, as patterns
	config   []string // lines of config.txt in place of the kernel module's, or besides them; nil: it has none
}

const (
	kernelARM64 = "github.com/gokrazy/kernel.arm64"
	kernelPi    = "github.com/gokrazy/kernel.rpi"
	firmwarePi  = "github.com/gokrazy/firmware"
)

// boots has one entry for each profile of package board.
var boots = map[string]boot{
	"qemu-virt": {kernel: kernelARM64},
	// Whichever serial line there is: servers of SBSA have a PL011, others an 8250.
	"uefi-arm64": {kernel: kernelARM64, serial: "ttyS0", needsEFI: true},
	"rpi4": {
		kernel:   kernelPi,
		firmware: []string{"start4.elf", "fixup4.dat"},
		trees:    []string{"bcm2711-rpi-*.dtb", "overlays/*"},
		// Without disable-bt, Bluetooth has the PL011, and the pins a UART whose speed changes with the processor's.
		config: []string{"enable_uart=1", "dtoverlay=disable-bt"},
	},
	"rpi5": {
		kernel: kernelPi, // its firmware is in the EEPROM
		trees:  []string{"bcm2712*.dtb", "overlays/*"},
		config: []string{"enable_uart=1"},
	},
}

// console is the kernel's parameters for its messages. The last one is /dev/console, where a panic shows.
func (b boardProfile) console() string {
	text := ""
	for _, line := range []string{b.boot.serial, filepath.Base(b.Serial)} {
		if line != "" {
			text += " console=" + line + ",115200"
		}
	}
	return strings.TrimSpace(text)
}

// Boards lists the names of the boards.
func Boards() []string {
	var list []string
	for _, p := range board.Profiles() {
		list = append(list, p.Name)
	}
	return list
}

func boardNamed(name string) (boardProfile, error) {
	for _, p := range board.Profiles() {
		if b, found := boots[p.Name]; found && p.Name == name {
			return boardProfile{p, b}, nil
		}
	}
	return boardProfile{}, fmt.Errorf("board %q is not known: the boards are %s", name, strings.Join(Boards(), ", "))
}
