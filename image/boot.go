package image

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"viaduct/image/update"
)

// commandLine is the kernel's for a slot. `gpt` lets it take the backup of the partition table when power went while the table was
// written; the root is named by the first partition's identity and a distance from it, which gokrazy looks for.
func (b boardProfile) commandLine(s update.Slot) string {
	return fmt.Sprintf("%s quiet loglevel=3 gpt root=PARTUUID=%s/PARTNROFF=%d ro rootwait init=/gokrazy/init panic=10 oops=panic",
		b.console(), partUUID(partBoot), partRootA-partBoot+int(s))
}

// kernelSlack is by how much a kernel may grow before an update cannot bring it, in bytes: files of the boot partition keep their size.
const kernelSlack = 4 * mib

// bootFiles is the boot partition. It holds the kernel of slot a, room for that of slot b, and what is known of both.
func bootFiles(b boardProfile, r Release, host toolchain, kernel []byte, module, efi string) (*tree, error) {
	t := newTree()
	slot := (len(kernel) + 2*kernelSlack - 1) / kernelSlack * kernelSlack
	t.file(update.A.KernelFile(), 0o644, append(kernel[:len(kernel):len(kernel)], make([]byte, slot-len(kernel))...))
	t.file(update.B.KernelFile(), 0o644, make([]byte, slot))
	state, err := update.State{Slots: [2]update.Firmware{{Version: r.Version, Commit: r.Commit, Built: r.Built.UTC()}}}.Encode()
	if err != nil {
		return nil, err
	}
	t.file(update.StateFile, 0o644, state)
	add := func(dir string, patterns ...string) error {
		for _, pattern := range patterns {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return err
			}
			if len(names) == 0 {
				return fmt.Errorf("%s has no %s", dir, pattern)
			}
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				t.file(strings.TrimPrefix(name, dir+"/"), 0o644, data)
			}
		}
		return nil
	}
	if err := add(module, b.trees...); err != nil {
		return nil, err
	}
	if len(b.firmware) > 0 {
		dir, err := host.module(firmwarePi)
		if err != nil {
			return nil, err
		}
		if err := add(dir, b.firmware...); err != nil {
			return nil, err
		}
	}
	slots := []update.Slot{update.A, update.B}
	if b.config != nil {
		text, err := os.ReadFile(filepath.Join(module, "config.txt"))
		if err != nil {
			return nil, err
		}
		for _, s := range slots {
			t.file(s.CommandFile(), 0o644, []byte(b.commandLine(s)+"\n"))
		}
		t.file("config.txt", 0o644, configText(string(text), b, update.A))
		t.file("tryboot.txt", 0o644, configText(string(text), b, update.B))
		return t, nil
	}
	// Everything else starts what loader/entries says: systemd-boot does, and so does Machine in its place.
	t.file("loader/loader.conf", 0o644, []byte("timeout 0\neditor no\n")) // who may type at the serial line shall not choose what runs as PID 1
	for _, e := range []update.Entry{{Slot: update.A, Rank: update.Own}, {Slot: update.B, Rank: update.Off}} {
		t.file(update.EntryDir+"/"+e.Name(), 0o644, fmt.Appendf(nil, "title Viaduct SBC %v\nlinux /%s\noptions %s\n", e.Slot, e.Slot.KernelFile(), b.commandLine(e.Slot)))
	}
	if efi != "" {
		loader, err := os.ReadFile(efi)
		if err != nil {
			return nil, err
		}
		t.file("EFI/BOOT/BOOTAA64.EFI", 0o644, loader)
	} else if b.needsEFI {
		return nil, fmt.Errorf("it needs a boot loader for EFI")
	}
	return t, nil
}

// configText is config.txt of the Raspberry Pi's firmware, for a slot.
func configText(text string, b boardProfile, slot update.Slot) []byte {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range append([]string{"kernel=" + slot.KernelFile(), "cmdline=" + slot.CommandFile()}, b.config...) {
		if key, _, found := strings.Cut(line, "="); found && key != "dtoverlay" {
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+"=") })
		}
		lines = append(lines, line)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
