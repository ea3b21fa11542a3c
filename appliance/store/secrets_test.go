package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mark = "sealed:" // in front of sealed passwords

func TestSecretsAreOpenedByTheBoxThatSealedThem(t *testing.T) {
	dir := t.TempDir()
	a, err := OpenSecrets(dir, mark)
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
	reopened, err := OpenSecrets(dir, mark)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reopened.Unseal(sealed); err != nil || got != "pässword" {
		t.Errorf("%q, %v", got, err)
	}
	stranger, err := OpenSecrets(t.TempDir(), mark)
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
}

// A key that power damaged is made good from its twin. A new one is made only when both are lost, and then it is said.
func TestAKeyThatWasDamaged(t *testing.T) {
	const config = "startup-config"
	put := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(dir string, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		harm   func(dir, sealed string)
		opens  bool
		damage string
	}{
		"nothing":                             {func(string, string) {}, true, ""},
		"empty":                               {func(dir, _ string) { put(dir, secretKeyFile, "") }, true, ""},
		"zeros":                               {func(dir, _ string) { put(dir, secretKeyFile, strings.Repeat("\x00", secretKeySize)) }, true, ""},
		"cut":                                 {func(dir, _ string) { put(dir, secretKeyFile, "short") }, true, ""},
		"gone":                                {func(dir, _ string) { remove(dir, secretKeyFile) }, true, ""},
		"the twin empty":                      {func(dir, _ string) { put(dir, secretKeyTwin, "") }, true, ""},
		"of an older release, without a twin": {func(dir, _ string) { remove(dir, secretKeyTwin) }, true, ""},
		"a folder in its place": {func(dir, _ string) {
			remove(dir, secretKeyFile)
			if err := os.Mkdir(filepath.Join(dir, secretKeyFile), 0o755); err != nil {
				t.Fatal(err)
			}
		}, true, ""},
		"both empty":                    {func(dir, _ string) { put(dir, secretKeyFile, ""); put(dir, secretKeyTwin, "") }, false, "is damaged (it is empty)"},
		"empty, and no twin":            {func(dir, _ string) { put(dir, secretKeyFile, ""); remove(dir, secretKeyTwin) }, false, "is damaged (it is empty)"},
		"both gone, and nothing sealed": {func(dir, _ string) { remove(dir, secretKeyFile, secretKeyTwin) }, false, ""},
		"both gone, and a password sealed": {func(dir, sealed string) {
			remove(dir, secretKeyFile, secretKeyTwin)
			put(dir, config+".3", "authentication-service A\n  username u password "+mark+sealed+"\n")
		}, false, "is lost"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := OpenSecrets(dir, mark)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := s.Seal("secret")
			if err != nil {
				t.Fatal(err)
			}
			c.harm(dir, sealed)
			for start, damage := range []string{c.damage, ""} {
				s, err = OpenSecrets(dir, mark)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Unseal(sealed); (err == nil) != c.opens {
					t.Errorf("start %d: %v", start, err)
				}
				if name == "both gone, and a password sealed" && start > 0 {
					continue
				}
				if got := s.Damage(); damage == "" && got != "" || !strings.Contains(got, damage) {
					t.Errorf("start %d: %q, want %q", start, got, damage)
				}
			}
			for _, name := range []string{secretKeyFile, secretKeyTwin} {
				if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != 0o600 || fi.Size() != secretKeySize {
					t.Errorf("%s: %v, %v", name, fi, err)
				}
			}
		})
	}
}

// Power may go between the key of a backup and its startup-config.
func TestTheKeyOfABackupLeavesTheOldOneInItsPlace(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSecrets(dir, mark)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal("ours")
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenSecrets(t.TempDir(), mark)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.Seal("theirs")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * secretKeysMax { // the same backup again and again takes no room
		if err := s.Adopt(other.Key()); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = OpenSecrets(dir, mark); err != nil {
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
