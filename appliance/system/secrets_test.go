package system

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSecretsAreOpenedByTheBoxThatSealedThem(t *testing.T) {
	dir := t.TempDir()
	a, err := OpenSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := a.Seal("pässword")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := a.Seal("pässword"); again != sealed {
		t.Error("the same secret has two forms")
	}
	if other, _ := a.Seal("password"); other[:16] == sealed[:16] {
		t.Error("two secrets share a nonce")
	}
	reopened, err := OpenSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reopened.Unseal(sealed); err != nil || got != "pässword" {
		t.Errorf("%q, %v", got, err)
	}
	stranger, err := OpenSecrets(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{sealed, "", "????", sealed[:10]} {
		if got, err := stranger.Unseal(bad); err == nil {
			t.Errorf("%q opens as %q", bad, got)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, secretKeyFile)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	if err := os.WriteFile(filepath.Join(dir, secretKeyFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSecrets(dir); err == nil {
		t.Error("a damaged key is taken")
	}
}

// Power may go between the key of a backup and its startup-config.
func TestTheKeyOfABackupLeavesTheOldOneInItsPlace(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal("ours")
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenSecrets(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.Seal("theirs")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * secretKeysMax { // the same backup again and again takes no room
		if err := s.replace(other.first()); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = OpenSecrets(dir); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{sealed: "ours", theirs: "theirs"} {
		if got, err := s.Unseal(text); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if again, err := s.Seal("theirs"); err != nil || again != theirs {
		t.Errorf("sealed with another key than the backup's: %v", err)
	}
}
