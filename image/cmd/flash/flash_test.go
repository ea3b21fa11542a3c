package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host lays out files as a kernel does.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRefuse(t *testing.T) {
	const image = 512 << 20
	base := map[string]string{
		"dev/sdb": "", "sys/class/block/sdb/size": "8388608", "sys/class/block/sdb/removable": "1", "sys/class/block/sdb/dev": "8:16",
		"sys/class/block/sdb/device/model": "Stick", "sys/class/block/sdb/sdb1/partition": "1", "sys/class/block/sdb/sdb1/dev": "8:17",
		"proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/vda1 rw", "proc/swaps": "Filename Type Size Used Priority",
	}
	for name, c := range map[string]struct {
		change map[string]string
		force  bool
		want   string // part of the reason, "" for none
	}{
		"a stick":                {nil, false, ""},
		"a mounted partition":    {map[string]string{"proc/self/mountinfo": "30 22 8:17 / /media/x rw - vfat /dev/sdb1 rw"}, false, "mounted on /media/x"},
		"mounted, forced":        {map[string]string{"proc/self/mountinfo": "30 22 8:17 / /media/x rw - vfat /dev/sdb1 rw"}, true, ""},
		"swap":                   {map[string]string{"proc/swaps": "/dev/sdb1 partition 1 0 -2"}, false, "swap"},
		"part of a RAID":         {map[string]string{"sys/class/block/sdb/sdb1/holders/md0/dev": "9:0"}, false, "part of md0"},
		"a fixed disk":           {map[string]string{"sys/class/block/sdb/removable": "0"}, false, "cannot be pulled out"},
		"a card in a slot":       {map[string]string{"sys/class/block/sdb/removable": "0", "sys/class/block/sdb/device/type": "SD"}, false, ""},
		"too small, even forced": {map[string]string{"sys/class/block/sdb/size": "4096"}, true, "has 2 MiB"},
	} {
		files := map[string]string{}
		for k, v := range base {
			files[k] = v
		}
		for k, v := range c.change {
			files[k] = v
		}
		d, err := findDisk(host(t, files), "/dev/sdb")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = d.refuse(image, c.force)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAPartitionIsNoDisk(t *testing.T) {
	root := host(t, map[string]string{"dev/sdb1": "", "sys/class/block/sdb1/partition": "1", "sys/class/block/sdb1/size": "8388608"})
	if _, err := findDisk(root, "/dev/sdb1"); err == nil || !strings.Contains(err.Error(), "is a partition") {
		t.Errorf("%v", err)
	}
}

func TestABadMediumIsNoticed(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("viaduct "), 2<<20)
	if err := os.WriteFile(filepath.Join(dir, "image"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := os.Open(filepath.Join(dir, "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	out, err := os.Create(filepath.Join(dir, "card"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	size := int64(len(data))
	if err := write(out, img, size); err != nil {
		t.Fatal(err)
	}
	if err := verify(out, img, size); err != nil {
		t.Errorf("sound: %v", err)
	}
	if _, err := out.WriteAt([]byte("X"), 9<<20); err != nil {
		t.Fatal(err)
	}
	if err := verify(out, img, size); err == nil || !strings.Contains(err.Error(), "between MiB 8 and 12") {
		t.Errorf("one byte wrong: %v", err)
	}
}
