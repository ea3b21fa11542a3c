package image

import (
	"fmt"
	"strings"
)

// boardProfile is what the image of a board holds besides what all have.
type boardProfile struct {
	name     string
	kernel   string   // Go module
	console  string   // kernel parameters; the last one is /dev/console, where a panic shows
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

var boardProfiles = []boardProfile{
	{name: "qemu-virt", kernel: kernelARM64, console: "console=ttyAMA0,115200"},
	// Whichever serial line there is; PL011 is what servers of SBSA have.
	{name: "uefi-arm64", kernel: kernelARM64, console: "console=ttyS0,115200 console=ttyAMA0,115200", needsEFI: true},
	{
		name: "rpi4", kernel: kernelPi, console: "console=serial0,115200",
		firmware: []string{"start4.elf", "fixup4.dat"},
		trees:    []string{"bcm2711-rpi-*.dtb", "overlays/*"},
		// Without disable-bt, Bluetooth has the PL011, and the pins a UART whose speed changes with the processor's.
		config: []string{"enable_uart=1", "dtoverlay=disable-bt"},
	},
	{
		name: "rpi5", kernel: kernelPi, console: "console=ttyAMA10,115200", // its firmware is in the EEPROM
		trees:  []string{"bcm2712*.dtb", "overlays/*"},
		config: []string{"enable_uart=1"},
	},
}

// Boards lists the names of the profiles.
func Boards() []string {
	var list []string
	for _, b := range boardProfiles {
		list = append(list, b.name)
	}
	return list
}

func boardNamed(name string) (boardProfile, error) {
	for _, b := range boardProfiles {
		if b.name == name {
			return b, nil
		}
	}
	return boardProfile{}, fmt.Errorf("board %q is not known: the boards are %s", name, strings.Join(Boards(), ", "))
}
