package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/appliance/flash"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
)

// holds reports which of two pairs a store holds: "old", "new", or what is mixed.
func holds(t *testing.T, s *Store) string {
	t.Helper()
	chain, err := s.Certificates("own")
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.PrivateKey("own.key")
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Belongs(chain[0], key); err != nil {
		return "mixed: " + err.Error()
	}
	return chain[0].Subject.CommonName
}

// A power cut after any step leaves the old pair or the new one, and never a certificate with the key of another.
func TestAPairIsInstalledWhole(t *testing.T) {
	oldCert, oldKey := pkitest.SelfSigned(t, "old")
	newCert, newKey := pkitest.SelfSigned(t, "new")
	for cut := range 5 {
		dir := t.TempDir()
		s := openStore(t, dir)
		if err := s.InstallPair("own", "own.key", oldCert, oldKey); err != nil {
			t.Fatal(err)
		}
		for _, step := range s.steps(pair{"own", "own.key", newCert, newKey})[:cut] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		want := "new"
		if cut == 0 {
			want = "old"
		}
		for range 2 { // the second start finds nothing left to do
			s = openStore(t, dir)
			if got := holds(t, s); got != want || len(s.Problems()) > 0 {
				t.Errorf("cut after %d steps: %s, %v", cut, got, s.Problems())
			}
		}
		if _, err := os.Stat(filepath.Join(dir, pairFile)); err == nil {
			t.Errorf("cut after %d steps: the pair is still there", cut)
		}
	}
}

func TestAPairThatDoesNotBelongTogetherIsRefused(t *testing.T) {
	oldCert, oldKey := pkitest.SelfSigned(t, "old")
	newCert, newKey := pkitest.SelfSigned(t, "new")
	dir := t.TempDir()
	s := openStore(t, dir)
	if err := s.InstallPair("own", "own.key", oldCert, oldKey); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, keyFolder, "own.key")); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	for name, err := range map[string]error{
		"another key":      s.InstallPair("own", "own.key", newCert, oldKey),
		"no certificate":   s.InstallPair("own", "own.key", []byte("x"), newKey),
		"no key":           s.InstallPair("own", "own.key", newCert, []byte("x")),
		"a name of a file": s.InstallPair("own", "../own.key", newCert, newKey),
	} {
		if err == nil || holds(t, s) != "old" || holds(t, openStore(t, dir)) != "old" {
			t.Errorf("%s: %v, %s", name, err, holds(t, s))
		}
	}
	// The certificate cannot be written: the key is what it was.
	place := filepath.Join(dir, certFolder, "taken")
	if err := os.MkdirAll(filepath.Join(place, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.InstallPair("taken", "own.key", newCert, newKey); err == nil {
		t.Error("a folder was replaced")
	}
	key, err := os.ReadFile(filepath.Join(dir, keyFolder, "own.key"))
	if err != nil || holds(t, s) != "old" || !bytes.Equal(bytes.TrimSpace(key), bytes.TrimSpace(oldKey)) {
		t.Errorf("%s, %v", holds(t, s), err)
	}
	if err := s.InstallPair("taken", "fresh.key", newCert, newKey); err == nil {
		t.Error("a folder was replaced")
	}
	for _, left := range []string{filepath.Join(keyFolder, "fresh.key"), pairFile} {
		if _, err := os.Stat(filepath.Join(dir, left)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
}

// When nothing but the last step fails, both files are there already, and both go back.
func TestAPairIsTakenBackWhole(t *testing.T) {
	oldCert, oldKey := pkitest.SelfSigned(t, "old")
	newCert, newKey := pkitest.SelfSigned(t, "new")
	dir := t.TempDir()
	s := openStore(t, dir)
	if err := s.InstallPair("own", "own.key", oldCert, oldKey); err != nil {
		t.Fatal(err)
	}
	p := pair{"own", "own.key", newCert, newKey}
	before, err := s.replaced(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range s.steps(p) {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.undo(p, before); err != nil {
		t.Fatal(err)
	}
	if s = openStore(t, dir); holds(t, s) != "old" || len(s.Problems()) > 0 {
		t.Errorf("%s, %v", holds(t, s), s.Problems())
	}
}

// What is imported after a pair that could not be finished stays what was imported, also after the next start.
func TestAPairThatIsLeftDoesNotComeBackLater(t *testing.T) {
	oldCert, oldKey := pkitest.SelfSigned(t, "old")
	leftCert, leftKey := pkitest.SelfSigned(t, "left")
	for what, change := range map[string]func(*Store) error{
		"a pair": func(s *Store) error { return s.InstallPair("own", "own.key", oldCert, oldKey) },
		"both": func(s *Store) error {
			_, err := s.ImportPrivateKey("own.key", oldKey, "")
			_, failed := s.ImportCertificate("own", oldCert)
			return errors.Join(err, failed)
		},
	} {
		dir := t.TempDir()
		s := openStore(t, dir)
		if err := s.steps(pair{"own", "own.key", leftCert, leftKey})[0](); err != nil {
			t.Fatal(err)
		}
		if err := change(s); err != nil {
			t.Fatal(err)
		}
		if again := holds(t, openStore(t, dir)); holds(t, s) != "old" || again != "old" {
			t.Errorf("%s: %s, after a start %s", what, holds(t, s), again)
		}
	}
	dir := t.TempDir()
	s := openStore(t, dir)
	if err := errors.Join(s.InstallPair("own", "own.key", oldCert, oldKey), s.steps(pair{"own", "own.key", leftCert, leftKey})[0](), s.RemoveKey(status.KeyPrivate, "own.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, dir).PrivateKey("own.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an erased key came back: %v", err)
	}
}

func TestADamagedPairIsPutAside(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir)
	if err := flash.Write(filepath.Join(dir, pairFile), []byte("{"), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	if p := openStore(t, dir).Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "damaged") {
		t.Errorf("%v", p)
	}
	if p := openStore(t, dir).Problems(); len(p) > 0 {
		t.Errorf("again: %v", p)
	}
	// The start could not put it aside: that is no reason to refuse what is imported later.
	s := openStore(t, dir)
	if err := flash.Write(filepath.Join(dir, pairFile), []byte("{"), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	cert, key := pkitest.SelfSigned(t, "own")
	_, err := s.ImportCertificate("own", cert)
	_, failed := s.ImportPrivateKey("own.key", key, "")
	if err := errors.Join(err, failed); err != nil || holds(t, openStore(t, dir)) != "own" {
		t.Error(err)
	}
}

// The standby of a pair gets a certificate and its key. A power cut leaves the old two or the new two.
func TestWhatTheOtherBoxHasIsTakenWhole(t *testing.T) {
	oldCert, oldKey := pkitest.SelfSigned(t, "old")
	newCert, newKey := pkitest.SelfSigned(t, "new")
	parts := map[string][]byte{"certificate/own": newCert, "private-key/own.key": newKey, "calendar": []byte("new"), "template/gone": nil, "what/else": {}}
	dir := t.TempDir()
	s := openStore(t, dir)
	if err := s.InstallPair("own", "own.key", oldCert, oldKey); err != nil {
		t.Fatal(err)
	}
	if err := s.note(parts); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeShared("certificate/own", newCert); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir) // the power was cut
	if got := holds(t, s); got != "new" || len(s.Problems()) != 1 {
		t.Errorf("%s, %v", got, s.Problems())
	}
	if text, err := s.Calendar(); string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
	if s = openStore(t, dir); len(s.Problems()) > 0 {
		t.Error(s.Problems())
	}
	if failed := s.TakeAll(map[string][]byte{"certificate/own": oldCert, "private-key/own.key": oldKey, "what/else": {}}); len(failed) != 1 || failed["what/else"] == nil || holds(t, s) != "old" {
		t.Error(failed, holds(t, s))
	}
	if s = openStore(t, dir); holds(t, s) != "old" || len(s.Problems()) > 0 {
		t.Error(holds(t, s), s.Problems())
	}
	// What could not be forgotten then is forgotten the next time, or told again.
	if err := s.note(parts); err != nil {
		t.Fatal(err)
	}
	if failed := s.TakeAll(nil); len(failed) > 0 || holds(t, openStore(t, dir)) != "old" {
		t.Error(failed, holds(t, openStore(t, dir)))
	}
	// Without room nothing is taken.
	if err := os.MkdirAll(filepath.Join(dir, takingFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if failed := s.TakeAll(map[string][]byte{"certificate/own": newCert, "private-key/own.key": newKey}); len(failed) != 2 || holds(t, s) != "old" {
		t.Error(failed, holds(t, s))
	}
	if failed := s.TakeAll(nil); len(failed) != 1 {
		t.Error(failed)
	}
}
