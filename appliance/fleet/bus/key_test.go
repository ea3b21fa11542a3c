package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

func TestAKeyIsMadeOnceAndStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.seed")
	if _, err := ReadKey(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	first, err := EnsureKey(file)
	must(t, err)
	about, err := os.Stat(file)
	must(t, err)
	if about.Mode().Perm() != 0o600 {
		t.Error(about.Mode())
	}
	again, err := EnsureKey(file)
	must(t, err)
	if again.Public() != first.Public() || !nkeys.IsValidPublicUserKey(first.Public()) {
		t.Errorf("%s, then %s", first.Public(), again.Public())
	}
	next := newKeyOf(t)
	must(t, next.Write(file))
	if read, err := ReadKey(file); err != nil || read.Public() != next.Public() || next.Public() == first.Public() {
		t.Errorf("%v, %v", read, err)
	}
	// It still signs after it was written.
	if _, err := next.pair.Sign([]byte("x")); err != nil {
		t.Error(err)
	}
}

func TestTheSeedIsShownNowhere(t *testing.T) {
	k := newKeyOf(t)
	seed, err := k.pair.Seed()
	must(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "settings", Settings{Key: k})
	shown := log.String() + fmt.Sprintf("%v %+v %#v %s", k, k, k, k)
	if strings.Contains(shown, string(seed)) || !strings.Contains(shown, k.Public()) {
		t.Error(shown)
	}
}

func TestFilesThatAreNoKeys(t *testing.T) {
	seed, err := newKeyOf(t).pair.Seed()
	must(t, err)
	account, err := nkeys.CreateAccount()
	must(t, err)
	other, err := account.Seed()
	must(t, err)
	for name, c := range map[string]struct {
		text []byte
		mode fs.FileMode
		why  string
	}{
		"good, with a line end":    {append(bytes.Clone(seed), "\r\n"...), 0o600, ""},
		"empty":                    {nil, 0o600, "not the seed of a key"},
		"cut":                      {seed[:40], 0o600, "not the seed of a key"},
		"damaged":                  {bytes.Replace(seed, seed[20:21], []byte("="), 1), 0o600, "not the seed of a key"},
		"of an account":            {other, 0o600, "another sort of key"},
		"large":                    {bytes.Repeat([]byte("S"), 1<<20), 0o600, "not the seed of a key"},
		"others may read it":       {seed, 0o644, "chmod 600"},
		"others of its group may":  {seed, 0o640, "chmod 600"},
		"a public key in its file": {[]byte(newKeyOf(t).Public()), 0o600, "not the seed of a key"},
	} {
		file := filepath.Join(t.TempDir(), "seed")
		must(t, os.WriteFile(file, c.text, 0o600))
		must(t, os.Chmod(file, c.mode))
		_, err := ReadKey(file)
		if (err == nil) != (c.why == "") || err != nil && (!strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), string(seed[:20]))) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
