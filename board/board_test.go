package board

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// machine makes a root folder with these files and network devices (name -> path under /sys/devices).
func machine(t *testing.T, files, devices map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(name, text)
	}
	for name, path := range devices {
		write(filepath.Join("sys/devices", path, "uevent"), "")
		write(filepath.Join("sys/class/net", name, "address"), "")
		if err := os.Symlink(filepath.Join(root, "sys/devices", path), filepath.Join(root, "sys/class/net", name, "device")); err != nil {
			t.Fatal(err)
		}
	}
	write("sys/class/net/lo/address", "")
	return root
}

func TestBoardsAreDetectedAndTheirPortsFound(t *testing.T) {
	for name, c := range map[string]struct {
		files, devices, ports map[string]string
		board                 string
	}{
		"a development machine keeps its names": {
			files:   map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU\n"},
			devices: map[string]string{"enp1s0": "pci0000:00/0000:00:10.0"},
			board:   "sim", ports: map[string]string{},
		},
		"QEMU by device tree, found in the wrong order": {
			files: map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/compatible": "linux,dummy-virt\x00"},
			devices: map[string]string{"eth1": "platform/4010000000.pcie/pci0000:00/0000:00:10.0/virtio1",
				"eth0": "platform/4010000000.pcie/pci0000:00/0000:00:11.0/virtio2"},
			board: "qemu-virt", ports: map[string]string{"eth1": "eth00", "eth0": "eth01"},
		},
		"QEMU by UEFI": {
			files:   map[string]string{"gokrazy/init": "", "sys/class/dmi/id/sys_vendor": "QEMU\n"},
			devices: map[string]string{"eth0": "pci0000:00/0000:00:10.0/virtio1", "eth1": "pci0000:00/0000:00:11.0/virtio2", "eth2": "pci0000:00/0000:00:12.0/virtio3"},
			board:   "qemu-virt", ports: map[string]string{"eth0": "eth00", "eth1": "eth01", "eth2": "eth02"},
		},
		"QEMU with other slots": {
			files:   map[string]string{"gokrazy/init": "", "sys/class/dmi/id/sys_vendor": "QEMU\n"},
			devices: map[string]string{"eth0": "pci0000:00/0000:00:02.0/virtio1", "eth1": "pci0000:00/0000:00:01.0/virtio0"},
			board:   "qemu-virt", ports: map[string]string{"eth1": "eth00", "eth0": "eth01"},
		},
		"Pi 4, the USB port first": {
			files: map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\x00"},
			devices: map[string]string{"eth0": "platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb2/2-1/2-1:1.0",
				"eth1": "platform/scb/fd580000.ethernet"},
			board: "rpi4", ports: map[string]string{"eth1": "eth00", "eth0": "eth01"},
		},
		"Pi 4 with a second USB adapter": {
			files: map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\x00"},
			devices: map[string]string{"eth0": "platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb2/2-2/2-2:1.0",
				"eth1": "platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb2/2-1/2-1:1.0", "eth2": "platform/scb/fd580000.ethernet"},
			board: "rpi4", ports: map[string]string{"eth2": "eth00", "eth1": "eth01", "eth0": "eth02"},
		},
		"Pi 5 without its USB port": {
			files:   map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": "Raspberry Pi 5 Model B Rev 1.0\x00"},
			devices: map[string]string{"eth0": "platform/axi/1000120000.pcie/1f00100000.ethernet"},
			board:   "rpi5", ports: map[string]string{"eth0": "eth00"},
		},
		"any server": {
			files:   map[string]string{"gokrazy/init": "", "sys/class/dmi/id/sys_vendor": "Ampere\n"},
			devices: map[string]string{"eth0": "pci0000:00/0000:00:01.1/0000:02:00.0", "eth1": "pci0000:00/0000:00:01.0/0000:01:00.0"},
			board:   "uefi-arm64", ports: map[string]string{"eth1": "eth00", "eth0": "eth01"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := detect(machine(t, c.files, c.devices))
			if b.Name() != c.board {
				t.Errorf("board %s, want %s", b.Name(), c.board)
			}
			if got, err := b.Ports(); err != nil || !maps.Equal(got, c.ports) {
				t.Errorf("ports %v (%v), want %v", got, err, c.ports)
			}
		})
	}
}

func TestTheSerialLineIsTheKernelsConsole(t *testing.T) {
	for name, c := range map[string]struct{ model, active, want string }{
		"Pi 5: the debug connector":       {"Raspberry Pi 5", "ttyAMA10\n", "/dev/ttyAMA10"},
		"Pi 4: the header":                {"Raspberry Pi 4", "tty1 ttyAMA0\n", "/dev/ttyAMA0"},
		"a server with a 16550":           {"", "ttyS0\n", "/dev/ttyS0"},
		"a server with a screen":          {"", "ttyAMA0 tty0\n", "/dev/ttyAMA0"},
		"a kernel that says nothing":      {"Raspberry Pi 5", "", "/dev/ttyAMA10"},
		"two lines: the last is the main": {"", "ttyS0 ttyAMA0\n", "/dev/ttyAMA0"},
	} {
		root := machine(t, map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": c.model, "sys/class/tty/console/active": c.active}, nil)
		if got := detect(root).SerialDevice(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := detect(t.TempDir()).SerialDevice(); got != "" {
		t.Errorf("a development machine has the serial line %s", got)
	}
}

func TestNamed(t *testing.T) {
	if b, err := Named("rpi4"); err != nil || b.Name() != "rpi4" {
		t.Errorf("rpi4: %v", err)
	}
	if _, err := Named("rpi9"); err == nil || err.Error() != `board "rpi9" is not known: the boards are sim, qemu-virt, rpi4, rpi5, uefi-arm64` {
		t.Errorf("rpi9: %v", err)
	}
}

func TestLEDAndTemperature(t *testing.T) {
	root := machine(t, map[string]string{"gokrazy/init": "", "sys/firmware/devicetree/base/model": "Raspberry Pi 4", "sys/class/leds/ACT/trigger": "mmc0",
		"sys/class/thermal/thermal_zone0/temp": "51234\n", "dev/watchdog": ""}, nil)
	b := detect(root)
	if err := b.LED(LightAlarm); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(root, "sys/class/leds/ACT/trigger")); string(got) != "timer" {
		t.Errorf("trigger %q", got)
	}
	if c, ok := b.Temperature(); c != 51.234 || !ok {
		t.Errorf("temperature %v %v", c, ok)
	}
	if b.Watchdog() != "/dev/watchdog" {
		t.Error("watchdog not found")
	}
	sim := detect(t.TempDir())
	if _, ok := sim.Temperature(); ok || sim.LED(LightWell) != nil || sim.Watchdog() != "" {
		t.Error("a development machine has hardware")
	}
}
