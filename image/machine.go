package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Machine is an emulated box: QEMU's virt board with two ports, on which the kernel starts with its own command line straight from
// the image's boot partition. Its networks lead nowhere: a port reaches no more than the addresses that are forwarded to it.
type Machine struct {
	Disk   string // image, written to
	Work   string // folder for the kernel
	LAN    Wire   // port ethernet 0 0
	WAN    Wire   // port ethernet 0 1
	Clock  string // of the board's battery clock, "1970-01-01" or ""
	Memory int    // MiB; 0: 512
}

// Wire is the network at a port.
type Wire struct {
	Net      string   // "192.168.1.0/24"
	Host     string   // our address in it
	Forwards []string // "127.0.0.1:2222-192.168.1.1:22": TCP to us leads to the box
}

// Command returns the emulator, with the serial line as its standard input and output. To kill it is to cut the power.
func (m Machine) Command(ctx context.Context) (*exec.Cmd, error) {
	disk, err := os.Open(m.Disk)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	boot := io.NewSectionReader(disk, bootStart, bootSize)
	kernel, err := readFAT16(boot, "vmlinuz")
	if err != nil {
		return nil, err
	}
	line, err := readFAT16(boot, "cmdline.txt")
	if err != nil {
		return nil, err
	}
	vmlinuz := filepath.Join(m.Work, "vmlinuz")
	if err := os.WriteFile(vmlinuz, kernel, 0o644); err != nil {
		return nil, err
	}
	if m.Memory == 0 {
		m.Memory = 512
	}
	args := []string{
		"-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", fmt.Sprint(m.Memory), "-accel", "tcg,thread=multi",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-kernel", vmlinuz, "-append", strings.TrimSpace(string(line)),
		"-drive", "if=none,id=disk,format=raw,cache=unsafe,file=" + m.Disk, "-device", "virtio-blk-pci,drive=disk,addr=0x8",
		"-device", "i6300esb,addr=0x9", "-action", "watchdog=reset",
	}
	if m.Clock != "" {
		args = append(args, "-rtc", "base="+m.Clock)
	}
	for i, w := range []Wire{m.LAN, m.WAN} {
		net := fmt.Sprintf("user,id=net%d,restrict=on,ipv6=off", i)
		if w.Net != "" {
			net += ",net=" + w.Net + ",host=" + w.Host
		}
		for _, f := range w.Forwards {
			net += ",hostfwd=tcp:" + f
		}
		args = append(args, "-netdev", net,
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=02:00:00:00:00:1%d,addr=0x1%d,romfile=", i, i, i))
	}
	return exec.CommandContext(ctx, "qemu-system-aarch64", args...), nil
}

// readFAT16 reads a file in the root folder of a file system that writeFAT16 has made.
func readFAT16(r io.ReaderAt, name string) ([]byte, error) {
	head := make([]byte, sector)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	rootStart := sector * (1 + int64(le.Uint16(head[22:])))
	root := make([]byte, fatRootEntries*fatEntry)
	if _, err := r.ReadAt(root, rootStart); err != nil {
		return nil, err
	}
	base, ext, _ := strings.Cut(name, ".")
	want := []byte(strings.ToUpper(fmt.Sprintf("%-8s%-3s", base, ext)))
	for ; len(root) > 0; root = root[fatEntry:] {
		if root[11] == fatAttrFile && bytes.Equal(bytes.ToUpper(root[:11]), want) {
			data := make([]byte, le.Uint32(root[28:]))
			_, err := r.ReadAt(data, rootStart+fatRootEntries*fatEntry+(int64(le.Uint16(root[26:]))-2)*fatCluster)
			return data, err
		}
	}
	return nil, fmt.Errorf("the boot partition has no %s", name)
}
