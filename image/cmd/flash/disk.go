package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// medium is a disk that an image may be written to.
type medium struct {
	name, model string
	size        int64    // bytes
	removable   bool     // it can be pulled out: a USB stick, a card
	uses        []string // where it, or a partition of it, is mounted or otherwise used
}

// findDisk reads what the kernel says of a device; root is / but in tests.
func findDisk(root, device string) (medium, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(root, device))
	if err != nil {
		return medium{}, err
	}
	d := medium{name: filepath.Base(path)}
	sys := filepath.Join(root, "sys/class/block", d.name)
	if _, err := os.Stat(filepath.Join(sys, "partition")); err == nil {
		return medium{}, fmt.Errorf("%s is a partition: the image is that of a whole disk", device)
	}
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(sys, name)) // not every disk has every file
		return strings.TrimSpace(string(text))
	}
	sectors, err := strconv.ParseInt(read("size"), 10, 64)
	if err != nil {
		return medium{}, fmt.Errorf("%s is not a disk", device)
	}
	d.size, d.model = sectors*512, strings.TrimSpace(read("device/model")+read("device/name"))
	d.removable = read("removable") == "1" || read("device/type") == "SD" // a card in a built-in slot
	d.uses, err = uses(root, sys, read("dev"))
	return d, err
}

// uses lists what a disk and its partitions are used for.
func uses(root, sys, number string) ([]string, error) {
	numbers := map[string]bool{number: true}
	names := map[string]bool{filepath.Base(sys): true}
	parts, err := filepath.Glob(filepath.Join(sys, "*", "partition"))
	if err != nil {
		return nil, err
	}
	dirs := []string{sys}
	for _, p := range parts {
		dir := filepath.Dir(p)
		text, err := os.ReadFile(filepath.Join(dir, "dev"))
		if err != nil {
			return nil, err
		}
		numbers[strings.TrimSpace(string(text))] = true
		names[filepath.Base(dir)] = true
		dirs = append(dirs, dir)
	}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	var list []string
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && numbers[f[2]] {
			list = append(list, "mounted on "+f[4])
		}
	}
	swaps, err := os.ReadFile(filepath.Join(root, "proc/swaps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(swaps)) {
		if f := strings.Fields(line); len(f) > 0 && names[filepath.Base(f[0])] {
			list = append(list, "swap")
		}
	}
	for _, dir := range dirs {
		holders, _ := os.ReadDir(filepath.Join(dir, "holders")) // RAID, LVM, encryption
		for _, h := range holders {
			list = append(list, "part of "+h.Name())
		}
	}
	return list, nil
}

func (d medium) String() string {
	kind := "fixed"
	if d.removable {
		kind = "removable"
	}
	return fmt.Sprintf("%s, %.1f GB, %s", d.model, float64(d.size)/1e9, kind)
}

// refuse says why an image of size bytes must not be written.
func (d medium) refuse(size int64, force bool) error {
	switch {
	case d.size < size:
		return fmt.Errorf("%s has %d MiB, the image %d", d.name, d.size>>20, size>>20)
	case force:
		return nil
	case len(d.uses) > 0:
		return fmt.Errorf("%s is in use: %s (FORCE=1 writes all the same)", d.name, strings.Join(d.uses, ", "))
	case !d.removable:
		return fmt.Errorf("%s cannot be pulled out, so it may be this machine's own disk (FORCE=1 writes all the same)", d.name)
	}
	return nil
}
