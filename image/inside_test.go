package image

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"viaduct/image/update"
)

// A box with the factory settings, seen from the inside: nothing listens that the configuration does not open, no DHCP client
// asks, the watchdog is PID 1's, and both programs together are content with 40 MiB. And then: nobody but the console writes to
// the serial line, but a panic is seen there.
func TestABoxFromTheInside(t *testing.T) {
	t.Parallel() // it waits much
	m := Machine{Disk: freshDisk(t), Work: t.TempDir()}
	dir := programs(t)
	if _, err := (toolchain{}).run("build", "-trimpath", "-o", filepath.Join(dir, "randomd"), "viaduct/image/testdata/inspect"); err != nil {
		t.Fatal(err)
	}
	root, err := writeSquashFS(rootOf(t, release, dir), release.Built)
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("the root has %.1f MiB", float64(len(root))/(1<<20)); len(root) > 64<<20 {
		t.Errorf("the root has %d octets, more than 64 MiB", len(root))
	}
	if _, err := partitions(t, m.Disk).Roots[update.A].WriteAt(root, 0); err != nil {
		t.Fatal(err)
	}
	e := powerOn(t, m)
	quiet(t, e.until(prompt))
	e.until("inspect: begin")
	report := e.until("inspect: end")
	found := func(pattern string) (list []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(report, -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return list
	}
	if got, want := found(`(?m)^listens: (.*?)\r`), []string{"tcp 0050", "tcp 01BB", "tcp6 0016", "unix /run/gokrazy-http.sock", "unix /run/sbcd.sock.new"}; !slices.Equal(got, want) {
		t.Errorf("these listen: %q, want %q", got, want)
	}
	if got := found(`(?m)^watchdog: (\S+)`); !slices.Equal(got, []string{"init"}) {
		t.Errorf("the watchdog is held by %q", got)
	}
	sum := 0
	for _, name := range []string{"sbcd", "consoled"} {
		list := found(`(?m)^runs: ` + name + ` (\d+) kB`)
		if len(list) != 1 {
			t.Fatalf("%s runs %d times:\n%s", name, len(list), report)
		}
		n, err := strconv.Atoi(list[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f MiB", name, float64(n)/1024)
		sum += n
	}
	if sum > 40<<10 {
		t.Errorf("sbcd and consoled take %d KiB, more than 40 MiB", sum)
	}
	for _, want := range []string{"data partition: formatting", "sbcd answers", "consoled answers"} {
		if !strings.Contains(report, want) {
			t.Errorf("PID 1 does not say %q:\n%s", want, report)
		}
	}
	e.until("Kernel panic - not syncing: sysrq triggered crash")
}

// quiet checks that only the console has written to the serial line.
func quiet(t *testing.T, text string) {
	t.Helper()
	if stranger := regexp.MustCompile(`(?m)^.*(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|^\[ *\d+\.\d+\]|init|EXT4|inspect).*$`).FindString(text); stranger != "" {
		t.Errorf("the serial line is not the console's alone: %q in:\n%s", stranger, text)
	}
}
