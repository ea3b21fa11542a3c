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
