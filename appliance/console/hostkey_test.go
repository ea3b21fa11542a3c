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
	if key, _, err := hostKey(filepath.Join(file, "console")); key == nil || err == nil {
		t.Errorf("where nothing can be written: %v, %v", key, err)
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh_host_ed25519_key"), []byte("-----BEGIN OPENSSH"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, _, err := hostKey(dir)
	if err != nil {
		t.Fatalf("in place of a damaged one: %v", err)
	}
	again, _, err := hostKey(dir)
	if err != nil || !bytes.Equal(again.PublicKey().Marshal(), key.PublicKey().Marshal()) {
		t.Errorf("not kept: %v", err)
	}
}

// Whoever has accepted the key once is not asked again when a power cut has damaged its file.
func TestADamagedHostKeyIsMadeGood(t *testing.T) {
	dir := t.TempDir()
	key, _, err := hostKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	same := func(why string) {
		t.Helper()
		if again, lost, err := hostKey(dir); err != nil || lost != nil || !bytes.Equal(again.PublicKey().Marshal(), key.PublicKey().Marshal()) {
			t.Errorf("%s: another key, %v", why, err)
		}
	}
	for _, file := range []string{hostKeyFile, hostKeyTwin} {
		for _, text := range []string{"", "-----BEGIN OPENSSH"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			same(file + " " + text)
		}
	}
	for _, file := range []string{hostKeyFile, hostKeyTwin} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if other, lost, err := hostKey(dir); lost == nil || err != nil || bytes.Equal(other.PublicKey().Marshal(), key.PublicKey().Marshal()) {
		t.Errorf("nothing is said of a key that is lost: %v, %v", lost, err)
	}
	if _, lost, err := hostKey(t.TempDir()); lost != nil || err != nil {
		t.Errorf("at the first start: %v, %v", lost, err)
	}
}
