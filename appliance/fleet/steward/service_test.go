package steward

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// A box that sends without end has requests dropped, and the journal stays readable.
func TestComplaintsDoNotFillTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		complain := complaints("acme", slog.New(slog.NewTextHandler(&text, nil)))
		for range 600 {
			complain(nil, nil, nats.ErrSlowConsumer)
			time.Sleep(100 * time.Millisecond)
		}
		complain(nil, nil, nats.ErrSlowConsumer)
		if n := strings.Count(text.String(), "\n"); n != 2 || !strings.Contains(text.String(), "unsaid=599") {
			t.Errorf("%d lines: %s", n, text.String())
		}
	})
}
