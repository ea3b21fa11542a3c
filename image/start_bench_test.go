package image

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"viaduct/image/update"
)

// BenchmarkStart starts the box in the emulator, and what is left of a box when ours is taken out of it: testdata/bare, which only says when
// it runs, in place of PID 1 ("kernel"), and in place of sbcd and consoled ("gokrazy"). What the box takes above the latter is ours. "program"
// starts sbcd there for its version alone: so long a program of that size takes before its first line. Times are seconds since the kernel has
// handed over to PID 1, without a configuration.
func BenchmarkStart(b *testing.B) {
	disk := freshDisk(b)
	first := powerOn(b, Machine{Disk: disk, Work: b.TempDir()}) // it makes the data partition
	first.until(prompt)
	first.powerOff()
	b.Run("kernel", func(b *testing.B) { reportStart(b, startWithout(b, disk, false, "init").until(`bare: .*\.\r`)) })
	b.Run("gokrazy", func(b *testing.B) {
		reportStart(b, startWithout(b, disk, false, "sbcd", "consoled").until(`bare: .*\.\r`))
	})
	b.Run("program", func(b *testing.B) {
		text := startWithout(b, disk, true, "sbcd", "consoled").until(`real: again .*\.\r`)
		for _, found := range regexp.MustCompile(`real: (\w+) (\S+) <nil>`).FindAllStringSubmatch(text, -1) {
			b.ReportMetric(seconds(b, found[2]), "s-"+found[1])
		}
		b.ReportMetric(0, "ns/op")
	})
	b.Run("box", func(b *testing.B) {
		e := startWithout(b, disk, false)
		e.until(prompt)
		reportStart(b, e.run("show system"))
	})
}

// startWithout starts a box, with a copy of a disk, in which testdata/bare stands for programs. With beside, sbcd is there under another name, too.
func startWithout(b *testing.B, disk string, beside bool, programNames ...string) *emulated {
	b.Helper()
	m := Machine{Disk: filepath.Join(b.TempDir(), "disk.img"), Work: b.TempDir()}
	tool(b, "cp", "--sparse=always", disk, m.Disk)
	dir := programs(b)
	sbcd, err := os.ReadFile(filepath.Join(dir, "sbcd"))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range programNames {
		if _, err := (toolchain{}).run("build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), "viaduct/image/testdata/bare"); err != nil {
			b.Fatal(err)
		}
	}
	tree := rootOf(b, release, dir)
	if beside {
		tree.file("user/real", 0o755, sbcd)
	}
	root, err := writeSquashFS(tree, release.Built)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := partitions(b, m.Disk).Roots[update.A].WriteAt(root, 0); err != nil {
		b.Fatal(err)
	}
	return powerOn(b, m)
}

// reportStart reports the steps of a start, each as that of the kernel before.
func reportStart(b *testing.B, text string) {
	b.Helper()
	at := map[string]float64{}
	for _, found := range regexp.MustCompile(`\b([a-z]+) (\d+\.\d\d)[,.\r]`).FindAllStringSubmatch(unwrapped(text), -1) {
		at[found[1]] = seconds(b, found[2])
	}
	before, ok := at["kernel"]
	if !ok {
		b.Fatalf("this does not tell when the kernel handed over:\n%s", text)
	}
	b.ReportMetric(before, "s-kernel") // since it began itself
	for _, step := range strings.Fields("init boot medium data ports main sbcd configuration prompt network gateways") {
		if when, ok := at[step]; ok {
			b.ReportMetric(when-before, "s-"+step)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func seconds(b *testing.B, text string) float64 {
	b.Helper()
	s, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return s
}
