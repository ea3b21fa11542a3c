package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"viaduct/image/update"
)

// Machine is an emulated box: QEMU's virt board with two ports, or three.
//
// Without firmware, Command is the boot loader: it chooses a slot and counts the start as the image's boot loader would, the emulator
// starts the slot's kernel at once, and ends when the box restarts. With UEFI firmware, the image's boot loader runs, and a restart is one.
type Machine struct {
	Disk     string // image, written to
	WriteLog string // file, there and empty: QEMU's blklogwrites logs the disk's writes to it; "": none
	Work     string // folder for the kernel
	LAN      Wire   // port ethernet 0 0
	WAN      Wire   // port ethernet 0 1
	Direct   *Wire  // port ethernet 0 2; nil: the box has none
	UEFI     bool   // start through UEFI firmware and the image's boot loader
	Clock    string // of the board's battery clock, "1970-01-01" or ""
	Memory   int    // MiB; 0: 512
}

// Wire is the network at a port: a device of this host, or one of the emulator that leads nowhere.
type Wire struct {
	Tap      string   // tap device, in the network namespace that the emulator runs in; the rest does not count then
	Net      string   // "192.168.1.0/24"
	Host     string   // our address in it
	Forwards []string // "127.0.0.1:2222-192.168.1.1:22": TCP to us leads to the box
	Open     bool     // what the box sends to Host arrives at our loopback device
}

// Command returns the emulator, with the serial line as its standard input and output. To kill it is to cut the power. It ends with the
// thread that starts it, so start it on one that lasts.
func (m Machine) Command(ctx context.Context) (*exec.Cmd, error) {
	start, err := m.start()
	if err != nil {
		return nil, err
	}
	if m.Memory == 0 {
		m.Memory = 512
	}
	args := []string{
		"-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", fmt.Sprint(m.Memory), "-accel", "tcg,thread=multi",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-device", "i6300esb,addr=0x9", "-action", "watchdog=reset",
	}
	args = append(append(args, m.disk()...), start...)
	if m.Clock != "" {
		args = append(args, "-rtc", "base="+m.Clock)
	}
	wires := []Wire{m.LAN, m.WAN}
	if m.Direct != nil {
		wires = append(wires, *m.Direct)
	}
	for i, w := range wires {
		net := fmt.Sprintf("user,id=net%d,restrict=%s,ipv6=off", i, map[bool]string{false: "on", true: "off"}[w.Open])
		if w.Net != "" {
			net += ",net=" + w.Net + ",host=" + w.Host
		}
		for _, f := range w.Forwards {
			net += ",hostfwd=tcp:" + f
		}
		if w.Tap != "" {
			net = fmt.Sprintf("tap,id=net%d,ifname=%s,script=no,downscript=no", i, w.Tap)
		}
		args = append(args, "-netdev", net,
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=02:00:00:00:00:1%d,addr=0x1%d,romfile=", i, i, i))
	}
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// disk are the arguments of the disk. What the box flushes is in the host's memory then, which outlives the emulator: waiting for
// the host's disk would only cost time.
func (m Machine) disk() []string {
	file := func(node, name string) []string {
		return []string{"-blockdev", "driver=file,cache.no-flush=on,node-name=" + node + ",filename=" + name}
	}
	device := []string{"-device", "virtio-blk-pci,drive=disk,addr=0x8,bootindex=0,discard=off,write-zeroes=off"}
	if m.WriteLog == "" {
		return append(file("disk", m.Disk), device...)
	}
	args := append(file("data", m.Disk), file("log", m.WriteLog)...)
	return append(append(args, "-blockdev", "driver=blklogwrites,node-name=disk,file=data,log=log"), device...)
}

// Firmware of Debian's package qemu-efi-aarch64.
const (
	uefiCode = "/usr/share/AAVMF/AAVMF_CODE.fd"
	uefiVars = "/usr/share/AAVMF/AAVMF_VARS.fd"
)

// start are the arguments that say how the box starts.
func (m Machine) start() ([]string, error) {
	if m.UEFI {
		vars, err := os.ReadFile(uefiVars)
		if err != nil {
			return nil, err
		}
		own := filepath.Join(m.Work, "vars.fd")
		if err := os.WriteFile(own, vars, 0o600); err != nil {
			return nil, err
		}
		return []string{"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + uefiCode, "-drive", "if=pflash,format=raw,unit=1,file=" + own}, nil
	}
	disk, err := os.OpenFile(m.Disk, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	boot := bootPartition{io.NewSectionReader(disk, bootStart, bootSize), io.NewOffsetWriter(disk, bootStart)}
	entry, err := update.Next(boot)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for line := range strings.Lines(string(entry)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		words[key] = value
	}
	kernel, err := update.Read(boot, strings.TrimPrefix(words["linux"], "/"))
	if err != nil {
		return nil, err
	}
	vmlinuz := filepath.Join(m.Work, "vmlinuz")
	if err := os.WriteFile(vmlinuz, kernel, 0o644); err != nil {
		return nil, err
	}
	return []string{"-no-reboot", "-kernel", vmlinuz, "-append", words["options"]}, nil
}

// bootPartition is that of an image file.
type bootPartition struct {
	io.ReaderAt
	io.WriterAt
}

func (bootPartition) Sync() error { return nil }
