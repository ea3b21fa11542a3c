package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// shipped are the programs of the root, with the package that each is built from.
var shipped = []struct{ path, source string }{
	{"gokrazy/init", "viaduct/image/cmd/init"},
	{"gokrazy/randomd", "github.com/gokrazy/gokrazy/cmd/randomd"},
	{"user/sbcd", "viaduct/cmd/sbcd"},
	{"user/consoled", "viaduct/cmd/consoled"},
}

// toolchain is the host's go command.
type toolchain struct {
	dir string
	log io.Writer
}

// allShipped lists the packages of all programs of the root.
func allShipped() []string {
	var list []string
	for _, p := range shipped {
		list = append(list, p.source)
	}
	return list
}

// build compiles programs into a folder, by their packages. Nothing of the host or of the folder's name gets into them; time zones
// do, since the box has no files of them. More are flags of the linker.
func (t toolchain) build(dir string, r Release, packages []string, more ...string) error {
	flags := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.commit=%s -X main.built=%s", r.Version, r.Commit, r.Built.UTC().Format(time.RFC3339))
	flags = strings.Join(append([]string{flags}, more...), " ")
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", "gokrazy,netgo,osusergo,timetzdata", "-ldflags", flags, "-o", dir + "/"}
	_, err := t.run(append(args, packages...)...)
	return err
}

// module returns the folder of a module, downloading it when it is not there.
func (t toolchain) module(path string) (string, error) {
	out, err := t.run("mod", "download", "-json", path)
	var m struct{ Dir, Error string }
	if e := json.Unmarshal(out, &m); e == nil && m.Error != "" {
		return "", fmt.Errorf("download %s: %s", path, m.Error)
	}
	if err != nil {
		return "", err
	}
	if m.Dir == "" {
		return "", fmt.Errorf("download %s: the go command names no folder", path)
	}
	return m.Dir, nil
}

func (t toolchain) run(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = t.dir, t.log
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && t.log == nil {
		return out, fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	if err != nil {
		return out, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}
