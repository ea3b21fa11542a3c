package board

// profile describes a kind of box. Device paths differ with the way a box was booted (ACPI: /sys/devices/pci0000:00/0000:00:10.0,
// device tree: /sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:10.0), so a port is found by a part of its path.
type profile struct {
	name   string
	sim    bool       // a development machine: ports are called as they shall be, and nothing of the hardware is touched
	models []string   // part of the device tree's model, or of the DMI's maker
	ports  []portPath // in order of preference; ports that none of them finds get the devices left over, in the order of the kernel
	serial string     // console, when the kernel names none
	led    string     // under /sys/class/leds
}

// portPath says that a device whose path in /sys holds the text is port ethernet Slot Port.
type portPath struct {
	text       string
	slot, port int
}

var profiles = []profile{
	{name: "sim", sim: true},
	{
		name:   "qemu-virt",
		models: []string{"linux,dummy-virt", "QEMU"},
		ports:  []portPath{{"0000:00:10.0", 0, 0}, {"0000:00:11.0", 0, 1}},
		serial: "/dev/ttyAMA0",
	},
	{
		name:   "rpi4",
		models: []string{"Raspberry Pi 4", "Raspberry Pi Compute Module 4"},
		ports:  []portPath{{"fd580000.ethernet", 0, 0}, {"/usb", 0, 1}}, // bcmgenet; USB3 RTL8153
		serial: "/dev/serial0",
		led:    "ACT",
	},
	{
		name:   "rpi5",
		models: []string{"Raspberry Pi 5", "Raspberry Pi Compute Module 5"},
		ports:  []portPath{{"1f00100000.ethernet", 0, 0}, {"/usb", 0, 1}}, // macb of the RP1; USB3 RTL8153
		serial: "/dev/ttyAMA10",                                           // the connector between the HDMI sockets; serial0 is at the header
		led:    "ACT",
	},
	// Any ARM server or PC with UEFI: ports in the order of their PCI addresses.
	{name: "uefi-arm64", serial: "/dev/ttyAMA0"},
}

// Profile describes a board to the image.
type Profile struct {
	Name   string
	Serial string // device of the console
}

// Profiles lists the boards that there are images for: all but the development machine.
func Profiles() []Profile {
	var list []Profile
	for _, p := range profiles {
		if !p.sim {
			list = append(list, Profile{Name: p.name, Serial: p.serial})
		}
	}
	return list
}
