package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAccountsAreClosedAndSealed looks at everything that leaves the store.
func TestAccountsAreClosedAndSealed(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	account := []byte(`{"Key":"of the account"}`)
	for _, name := range []string{"account-1", "order-1"} {
		if err := s.SaveACMEFile(name, account); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.ACMEFile("account-2"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := s.SaveACMEFile("../account-1", account); err == nil {
		t.Error("a path is taken for a name")
	}
	entries, err := os.ReadDir(filepath.Join(dir, acmeFolder))
	if err != nil || len(entries) != 4 {
		t.Fatal(entries, err)
	}
	for _, e := range append(entries, stat(t, filepath.Join(dir, acmeFolder))) {
		if fi, err := e.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", e.Name(), fi.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, acmeFolder, "account-1"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := s.ACMEFile("account-1"); err != nil || !bytes.Equal(text, account) {
		t.Errorf("from its twin: %s, %v", text, err)
	}
	b, err := s.Backup()
	if err != nil || len(b.Accounts) != 1 {
		t.Fatalf("%d accounts in the backup: %v", len(b.Accounts), err)
	}
	sealed, err := b.Seal("open sesame")
	if err != nil || strings.Contains(string(sealed), "of the account") {
		t.Fatal(err)
	}
	if b, err = OpenBackup(sealed, "open sesame"); err != nil || b.Check() != nil || !strings.Contains(b.Summary(), "1 account at authorities") {
		t.Fatal(err, b.Check(), b.Summary())
	}
	other := openStore(t, t.TempDir())
	if err := other.Restore(b); err != nil {
		t.Fatal(err)
	}
	if text, err := other.ACMEFile("account-1"); err != nil || !bytes.Equal(text, account) {
		t.Errorf("restored: %s, %v", text, err)
	}
	b.Accounts["secret.key"] = account
	if b.Check() == nil {
		t.Error("a backup brings a file of another kind")
	}
}

func stat(t *testing.T, path string) fs.DirEntry {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fs.FileInfoToDirEntry(fi)
}
