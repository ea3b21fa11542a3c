package logs

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
)

// What a peer sends is one line of the log, however it is made, and a short one.
func TestPeersCannotForgeALineOfTheLog(t *testing.T) {
	const hostile = "x\x1b[2J\ntime=2026 level=ERROR msg=forged\r\u009b31m\u202e\u2028\u3164\xff"
	var out bytes.Buffer
	ring := NewRing(10)
	log := New(slog.LevelInfo, NewSyslog(), ring, &out)
	log.Warn("refused", "peer", hostile, "err", errors.New(hostile+strings.Repeat("y", 60_000)), "list", []string{hostile})
	log.Info(hostile)
	for _, line := range append(strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), ring.Last(10)...) {
		if strings.HasPrefix(line, "time=2026 ") || len(line) > 4000 || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%d octets: %.300q", len(line), line)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
}
