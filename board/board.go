// Package board holds what differs between boxes: which device is which port, the serial line, serial number, LED, reset button,
// watchdog, temperature.
//
// It owns the profiles (data) and the few files under /sys and /proc that they name. It does not use them itself:
// package netcfg renames devices, the image feeds the watchdog. It has no goroutines.
package board

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Board is one box.
type Board interface {
	Name() string                      // of its profile, for example "rpi4"
	PortName(slot, port int) string    // kernel's name of `port ethernet S P` after renaming: "eth00"
	Ports() (map[string]string, error) // how the kernel calls a device now -> the port's name, for netcfg.NamePorts
	SerialDevice() string              // of the console, "" when there is none
	SerialNumber() string              // twelve upper case hex digits, as on the label; "" when port ethernet 0 0 is not there
	LED(Light) error                   // does nothing when there is no LED
	// ResetButton calls held when the reset button was held for ResetHold, until ctx ends; it returns at once without a button.
	ResetButton(ctx context.Context, held func()) error
	Watchdog() string                        // device, "" when there is none
	Temperature() (celsius float64, ok bool) // of the processor
}

// Light is what the LED says.
type Light string

const (
	LightBoot   Light = "boot"   // starting: slow blinking
	LightAlarm  Light = "alarm"  // running, something is down: fast blinking
	LightWell   Light = "well"   // running, all is well: on
	LightUpdate Light = "update" // writing an image, keep the power on: heartbeat
)

// Named returns the board of a profile; the empty name detects it.
func Named(name string) (Board, error) {
	if name == "" {
		return Detect(), nil
	}
	for _, p := range profiles {
		if p.name == name {
			return &box{profile: p, root: "/"}, nil
		}
	}
	return nil, fmt.Errorf("board %q is not known: the boards are %s", name, strings.Join(Names(), ", "))
}

// Names lists the profiles.
func Names() []string {
	var list []string
	for _, p := range profiles {
		list = append(list, p.name)
	}
	return list
}

// box is a Board of a profile; root is / but in tests.
type box struct {
	profile
	root string
}

func (b *box) Name() string { return b.name }

// SerialDevice is the line of the kernel's console, which each board names on the kernel's command line: there a panic shows. It is the
// profile's when that one is a screen.
func (b *box) SerialDevice() string {
	if b.sim {
		return ""
	}
	text, _ := os.ReadFile(filepath.Join(b.root, "sys/class/tty/console/active")) // the last one is /dev/console
	if list := strings.Fields(string(text)); len(list) > 0 && !screen.MatchString(list[len(list)-1]) {
		return "/dev/" + list[len(list)-1]
	}
	return b.serial
}

var screen = regexp.MustCompile(`^tty\d*$`)

func (b *box) PortName(slot, port int) string { return fmt.Sprintf("eth%d%d", slot, port) }

// SerialNumber is the MAC address of port ethernet 0 0: it is on the label of any box, and it stays with the hardware.
func (b *box) SerialNumber() string {
	i, err := net.InterfaceByName(b.PortName(0, 0))
	if err != nil {
		return ""
	}
	return SerialOf(i.HardwareAddr)
}

// SerialOf writes a MAC address as a serial number: 00A0BA0F2439.
func SerialOf(mac net.HardwareAddr) string { return strings.ToUpper(hex.EncodeToString(mac)) }

// Watchdog is the device, when this kernel has a driver for it.
func (b *box) Watchdog() string {
	const device = "/dev/watchdog"
	if b.sim {
		return ""
	}
	if _, err := os.Stat(filepath.Join(b.root, device)); err != nil {
		return ""
	}
	return device
}

func (b *box) Temperature() (celsius float64, ok bool) {
	text, err := os.ReadFile(filepath.Join(b.root, "sys/class/thermal/thermal_zone0/temp"))
	if err != nil {
		return 0, false
	}
	milli, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return float64(milli) / 1000, err == nil
}

func (b *box) LED(l Light) error {
	if b.led == "" {
		return nil
	}
	dir := filepath.Join(b.root, "sys/class/leds", b.led)
	if _, err := os.Stat(dir); err != nil {
		return nil // this kernel has no driver for it
	}
	for _, file := range lights[l] {
		if err := os.WriteFile(filepath.Join(dir, file[0]), []byte(file[1]), 0o644); err != nil {
			return fmt.Errorf("set LED to %s: %w", l, err)
		}
	}
	return nil
}

// lights are the files of the kernel's LED class; delay_on and delay_off (milliseconds) come to be with trigger timer.
var lights = map[Light][][2]string{
	LightBoot:   {{"trigger", "timer"}, {"delay_on", "500"}, {"delay_off", "500"}},
	LightAlarm:  {{"trigger", "timer"}, {"delay_on", "100"}, {"delay_off", "100"}},
	LightWell:   {{"trigger", "none"}, {"brightness", "1"}},
	LightUpdate: {{"trigger", "heartbeat"}},
}
