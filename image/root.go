package image

import (
	"fmt"
	"os"
	"path/filepath"

	"viaduct/image/update"
)

// rootFiles is the root file system; programs is the folder that they were built into. No kernel modules: all that the boards need is
// built into their kernels.
//
// Some files of gokrazy are missing on purpose. gokr-pw.txt would make gokrazy's management HTTP listen on every private address, the
// WAN's too; a shell at /perm/sh or /tmp/serial-busybox would answer on the serial line without a login.
func rootFiles(b boardProfile, r Release, programs string, trust []byte) (*tree, error) {
	t := newTree()
	for _, name := range []string{"bin", "dev", "etc", "lib", "mnt", "perm", "proc", "run", "sys", "tmp"} {
		t.dir(name)
	}
	t.link("var", "/perm/var")
	t.link("etc/resolv.conf", "/tmp/resolv.conf") // without it gokrazy puts a tmpfs over /etc
	t.file("etc/hostname", 0o644, []byte("viaduct"))
	t.file("etc/hosts", 0o644, []byte("127.0.0.1 localhost\n::1 localhost\n"))
	t.file(update.ReleaseFile, 0o644, fmt.Appendf(nil, "board %s\nversion %s\ncommit %s\nbuilt %s\n",
		b.Name, r.Version, r.Commit, r.Built.UTC().Format("2006-01-02T15:04:05Z")))
	t.file(update.KeysFile, 0o644, trust)
	for _, p := range shipped {
		data, err := os.ReadFile(filepath.Join(programs, filepath.Base(p.source)))
		if err != nil {
			return nil, err
		}
		t.file(p.path, 0o755, data)
	}
	return t, nil
}
