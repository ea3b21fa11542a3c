package console

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Without a host key the whole console would not start, the serial line included.
func TestABoxAlwaysHasAHostKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := hostKey(filepath.Join(file, "console")); key == nil || err == nil {
		t.Errorf("where nothing can be written: %v, %v", key, err)
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh_host_ed25519_key"), []byte("-----BEGIN OPENSSH"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := hostKey(dir)
	if err != nil {
		t.Fatalf("in place of a damaged one: %v", err)
	}
	again, err := hostKey(dir)
	if err != nil || !bytes.Equal(again.PublicKey().Marshal(), key.PublicKey().Marshal()) {
		t.Errorf("not kept: %v", err)
	}
}
