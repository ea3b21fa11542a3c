// Package board holds what differs between boxes: which device is which port, the serial line, serial number, LED, watchdog,
// temperature.
//
// It owns the profiles (data) and the few files under /sys and /proc that they name. It does not own what is done with them:
// package netcfg renames devices, the image feeds the watchdog. It has no goroutines.
package board

// Board is one box.
type Board interface {
	Name() string                      // profile name: "sim", "qemu-virt", "uefi-arm64", "rpi4", "rpi5"
	PortName(slot, port int) string    // kernel's name of `port ethernet S P` after renaming: "eth00"
	Ports() (map[string]string, error) // how the kernel calls a device now -> the port's name, for netcfg.NamePorts
	SerialDevice() string              // of the console, "" when there is none
	SerialNumber() string              // twelve upper case hex digits, "" when no port is there
	LED(Light) error                   // nil when there is no LED
	Watchdog() string                  // device, "" when there is none
	Temperature() (celsius float64, ok bool)
}

// Light is what the LED says.
type Light string

const (
	LightBoot    Light = "boot"    // starting
	LightAlarm   Light = "alarm"   // running, something is down
	LightWell    Light = "well"    // running, all is well
	LightUpdate  Light = "update"  // writing an image: keep the power on
	LightUnknown Light = "unknown" // sbcd does not answer
)
