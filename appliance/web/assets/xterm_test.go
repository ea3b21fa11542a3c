package assets

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// The files of others are those that static/xterm/renew.sh has fetched: nobody has changed them by hand.
func TestXtermIsAsItCame(t *testing.T) {
	sums, err := files.ReadFile("static/xterm/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		text, err := files.ReadFile("static/xterm/" + name)
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); err != nil || got != sum {
			t.Errorf("%s: %v, sum %s, want %s", name, err, got, sum)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d files have a sum", n)
	}
}
