package store

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
)

var _ pki.Store = (*Store)(nil)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsWhatWasImported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "perm", "sbc")
	s := openStore(t, dir)
	cert, key := pkitest.SelfSigned(t, "sbc.meinefirma.de")
	if _, err := s.Certificates("MYCERTIFICATE"); !errors.Is(err, fs.ErrNotExist) || err.Error() != "certificate MYCERTIFICATE has not been imported" {
		t.Errorf("before the import: %v", err)
	}
	if _, err := s.ImportCertificate("MYCERTIFICATE", cert); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ImportPrivateKey("myprivate.key", key, ""); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, openStore(t, dir)} {
		certs, err := s.Certificates("MYCERTIFICATE")
		if err != nil || len(certs) != 1 || certs[0].Subject.CommonName != "sbc.meinefirma.de" {
			t.Errorf("certificates %v, %v", certs, err)
		}
		k, err := s.PrivateKey("myprivate.key")
		if err != nil || !k.Public().(*ecdsa.PublicKey).Equal(certs[0].PublicKey) {
			t.Errorf("private key: %v", err)
		}
		if text, err := s.CertificateText("MYCERTIFICATE"); err != nil || !bytes.Equal(text, cert) {
			t.Errorf("export: %v\n%s", err, text)
		}
		if want := []Item{{status.KeyCertificate, "MYCERTIFICATE", nil}, {status.KeyPrivate, "myprivate.key", nil}}; !slices.Equal(s.Keys(), want) {
			t.Errorf("list %v", s.Keys())
		}
	}
	if err := s.RemoveKey(status.KeyPrivate, "myprivate.key"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveKey(status.KeyPrivate, "myprivate.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	if err := s.RemoveKey("dh", "x"); err == nil {
		t.Error("an unknown kind was removed")
	}
	if _, err := openStore(t, dir).PrivateKey("myprivate.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed and still there: %v", err)
	}
}

func TestSecretsAreNeverReadableByOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	s := openStore(t, dir)
	cert, key := pkitest.SelfSigned(t, "a")
	_, err1 := s.ImportCertificate("cert", cert)
	_, err2 := s.ImportPrivateKey("key", key, "")
	if err := errors.Join(err1, err2, s.SaveStartup([]byte("username u password p\n")), s.SaveStartup([]byte("other\n")),
		s.AddLicense("KEY"), s.SaveTime(time.Now())); err != nil {
		t.Fatal(err)
	}
	public := map[string]bool{"pki/certificate/cert": true, licenseFile: true, timeFile: true}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		name, _ := filepath.Rel(dir, path)
		want := fs.FileMode(0o600)
		if public[name] {
			want = 0o644
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, fi.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, keyFolder)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v %v", keyFolder, fi.Mode(), err)
	}
	// A key that was copied here by hand is closed before it is used.
	if err := os.Chmod(filepath.Join(dir, keyFolder, "key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, dir).PrivateKey("key"); err != nil {
		t.Error(err)
	}
	if fi, _ := os.Stat(filepath.Join(dir, keyFolder, "key")); fi.Mode().Perm() != 0o600 {
		t.Errorf("still %o", fi.Mode().Perm())
	}
}

func TestADamagedFileIsNamedAndTheOthersAreLoaded(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	cert, key := pkitest.SelfSigned(t, "a")
	_, err1 := s.ImportCertificate("good", cert)
	_, err2 := s.ImportCertificate("bad", cert)
	_, err3 := s.ImportPrivateKey("key", key, "")
	if err := errors.Join(err1, err2, err3,
		os.WriteFile(filepath.Join(dir, certFolder, "bad"), cert[:len(cert)/2], 0o644),
		os.WriteFile(filepath.Join(dir, keyFolder, "torn"), []byte("\x00\x00\x00"), 0o600),
		os.Mkdir(filepath.Join(dir, certFolder, "folder"), 0o755),
		os.WriteFile(filepath.Join(dir, timeFile), []byte("yesterday"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if _, err := s.Certificates("good"); err != nil {
		t.Error(err)
	}
	if _, err := s.PrivateKey("key"); err != nil {
		t.Error(err)
	}
	var names []string
	for _, err := range s.Problems() {
		name, _, _ := strings.Cut(err.Error(), " cannot be used, import it again: ")
		names = append(names, name)
	}
	if want := []string{"certificate bad", "certificate folder", "private key torn"}; !slices.Equal(names, want) {
		t.Errorf("problems %q, want %q", names, want)
	}
	if at, err := s.SavedTime(); err == nil || !at.IsZero() {
		t.Errorf("saved time %v, %v", at, err)
	}
}

func TestNamesThatAreNoFileNames(t *testing.T) {
	s := openStore(t, t.TempDir())
	cert, key := pkitest.SelfSigned(t, "a")
	for _, name := range []string{"", ".", "..", "../startup-config", "a/b", ".hidden12345678", "a b", "ä", "a\nb", strings.Repeat("x", 101)} {
		if _, err := s.ImportCertificate(name, cert); err == nil {
			t.Errorf("certificate %q was taken", name)
		}
		if _, err := s.ImportPrivateKey(name, key, ""); err == nil {
			t.Errorf("private key %q was taken", name)
		}
	}
	if _, err := s.ImportCertificate("x", []byte("no PEM")); err == nil {
		t.Error("a certificate that is none was taken")
	}
	if len(s.Keys()) > 0 {
		t.Errorf("the store holds %v", s.Keys())
	}
}

func TestStartupConfigsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if _, err := s.Startup(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new store: %v", err)
	}
	for _, text := range []string{"one", "two", "three"} {
		if err := s.SaveStartup([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	// A power cut left a temporary file.
	if err := os.WriteFile(filepath.Join(dir, ".startup-config8674665223082153551"), []byte("fou"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	read := func(b []byte, err error) string {
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if a, b, c := read(s.Startup()), read(s.OldStartup(1)), read(s.OldStartup(2)); a != "three" || b != "two" || c != "one" {
		t.Errorf("present %q, old %q and %q", a, b, c)
	}
	if _, err := s.OldStartup(3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the third: %v", err)
	}
	if err := s.EraseStartup(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.OldStartups(); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestAStartupConfigThatWasPutThereByHandIsClosed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "startup-config")
	if err := os.WriteFile(path, []byte("system hostname a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestLicenses(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	has := func(want ...string) {
		t.Helper()
		if keys, err := s.Licenses(); err != nil || !slices.Equal(keys, want) {
			t.Errorf("licenses %q (%v), want %q", keys, err, want)
		}
	}
	has()
	if err := errors.Join(s.RemoveLicense("NONE"), s.AddLicense("A1"), s.AddLicense("B2"), s.AddLicense("A1"), s.AddLicense("C3")); err != nil {
		t.Fatal(err)
	}
	has("A1", "B2", "C3")
	if err := s.RemoveLicense("A1"); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	has("B2", "C3")
	// A file that was written by hand.
	if err := os.WriteFile(filepath.Join(dir, "licenses"), []byte("# twenty calls\r\n  B2 \n\n#C3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	has("B2")
}

func TestSavedTime(t *testing.T) {
	s := openStore(t, t.TempDir())
	if at, err := s.SavedTime(); err != nil || !at.IsZero() {
		t.Errorf("a new store: %v, %v", at, err)
	}
	want := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	if err := s.SaveTime(want); err != nil {
		t.Fatal(err)
	}
	if at, err := s.SavedTime(); err != nil || !at.Equal(want) {
		t.Errorf("%v, %v", at, err)
	}
}

func TestPreferredPresencesAreKept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if err := s.LoadPresence(func([]byte) error { return errors.New("there is one") }); err != nil {
		t.Error(err)
	}
	if err := s.SavePresence([]byte("[]")); err != nil {
		t.Fatal(err)
	}
	var text string
	if err := openStore(t, dir).LoadPresence(func(b []byte) error { text = string(b); return nil }); err != nil || text != "[]" {
		t.Errorf("%q, %v", text, err)
	}
	if fi, err := os.Stat(filepath.Join(dir, presenceFile)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	damaged := errors.New("damaged")
	if err := s.LoadPresence(func([]byte) error { return damaged }); !errors.Is(err, damaged) {
		t.Errorf("%v", err)
	}
	if err := s.LoadPresence(func([]byte) error { return damaged }); err != nil {
		t.Errorf("it was not put aside: %v", err)
	}
}

func TestAStateFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "a file of this name is in the way") {
		t.Errorf("%v", err)
	}
}

func TestARefusedImportLeavesTheNameToItsCaller(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, keyErr := s.ImportPrivateKey("mine", []byte("x"), "")
	_, certErr := s.ImportCertificate("mine", []byte("x"))
	for _, err := range []error{keyErr, certErr} {
		if err == nil || strings.Contains(err.Error(), "mine") {
			t.Errorf("refused with %v", err)
		}
	}
}

func TestWhatIsSetAtAStarfaceIsKept(t *testing.T) {
	s := openStore(t, t.TempDir())
	read := func() (text string, err error) {
		err = s.LoadStarface(func(b []byte) error {
			if text = string(b); text == "damaged" {
				return errors.New("no list")
			}
			return nil
		})
		return text, err
	}
	if text, err := read(); text != "" || err != nil {
		t.Error(text, err)
	}
	for _, want := range []string{"[]", "damaged"} {
		if err := s.SaveStarface([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if text, err := read(); text != want || (err != nil) != (want == "damaged") {
			t.Error(text, err)
		}
	}
	if text, err := read(); text != "" || err != nil {
		t.Error("what is damaged is read again:", text, err)
	}
}
