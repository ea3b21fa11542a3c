package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/image/update"
)

// deafFirmware is one whose relay cannot start; all else works. Its trial is short, and long enough to log in.
func deafFirmware(t *testing.T, r Release) *tree {
	t.Helper()
	source, err := filepath.Abs("../appliance/system/engines.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "func (r *relay) Run(ctx context.Context) error {\n"
	broken := strings.Replace(string(text), begin, begin+"\tif ctx != nil {\n\t\treturn context.DeadlineExceeded\n\t}\n", 1)
	if broken == string(text) {
		t.Fatalf("%s has no relay.Run", source)
	}
	work := t.TempDir()
	write := func(name string, text []byte) string {
		name = filepath.Join(work, name)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{source: write("engines.go", []byte(broken))}})
	if err != nil {
		t.Fatal(err)
	}
	dir := programs(t)
	if err := (toolchain{}).build(dir, r, []string{"viaduct/image/cmd/init"}, "-X main.trialLimit=90s"); err != nil {
		t.Fatal(err)
	}
	if _, err := (toolchain{}).run("build", "-trimpath", "-buildvcs=false", "-tags", "gokrazy,netgo,osusergo,timetzdata", "-ldflags", "-s -w -buildid=",
		"-overlay", write("overlay.json", replaced), "-o", dir+"/", "viaduct/cmd/sbcd"); err != nil {
		t.Fatal(err)
	}
	return rootOf(t, r, dir)
}

// A firmware that answers everybody and whose relay cannot start is told from a sound one by its alarms alone: PID 1 does not confirm it,
// and the one before it comes back. image/cmd/init tests the same without a machine, in seconds.
func TestAFirmwareWithoutARelayGoesBack(t *testing.T) {
	t.Parallel()
	m := Machine{Disk: freshDisk(t), Work: t.TempDir(), UEFI: true, Memory: 1024}
	deaf := Release{Version: "v9.9.3", Commit: "deaf", Built: when.Add(time.Hour)}
	putAside(t, partitions(t, m.Disk), update.A, signed(t, boxKey, deaf, deafFirmware(t, deaf)))
	e := powerOn(t, m)
	e.until(prompt)
	e.run("no terminal more")
	e.run("enable")
	e.again("show alarms", `critical .*relay-down`)
	e.images(`b +v9\.9\.3 .*running, on trial`)
	e.until("BdsDxe: starting")
	e.until(prompt)
	e.run("enable")
	e.images(`a +v9\.8\.7 .*running, confirmed; starts next`, `b +v9\.9\.3 .*failed`)
}
