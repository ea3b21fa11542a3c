package hub

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// Whoever fills the log with what strangers can cause does not keep away what the engine says of itself.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	var b bytes.Buffer
	l := &engineLog{log: slog.New(slog.NewTextHandler(&b, nil))}
	for range 1000 {
		l.Errorf("%s - authentication error", "192.0.2.1:4000")
	}
	l.Errorf("JetStream out of space")
	if text := b.String(); strings.Count(text, "\n") != stretchLines+1 || !strings.Contains(text, "level=ERROR msg=engine text=\"JetStream out of space\"") {
		t.Errorf("%d lines: %s", strings.Count(text, "\n"), text)
	}
}
