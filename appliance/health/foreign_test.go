package health

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	foreign "viaduct/appliance/printable/printabletest"
)

// Whatever an alarm is told, by whichever peer, it is one bounded line wherever alarms go.
func TestPeersCannotSteerWhoReadsAlarms(t *testing.T) {
	for _, w := range declared {
		args := Args{}
		for _, name := range w.arguments {
			args[name] = foreign.Text + "{why}{subject}" + strings.Repeat("y", 60_000)
		}
		tracker := &Tracker{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		tracker.Set(w, args)
		var said []string
		for _, a := range append(tracker.Current(), view{Warnable: w, args: bounded(w, args)}.alarm(time.Now())) {
			said = append(append(said, a.ID, a.Subject, a.Title, a.Text, a.Advice, a.Sentence()), a.Cure...)
		}
		for _, text := range append(said, tracker.Unfit()...) {
			if why := foreign.Line(text); why != "" || utf8.RuneCountInString(text) > 8*maxArg {
				t.Errorf("%s: %d octets: %s", w.ID, len(text), why)
			}
		}
		tracker.Acknowledge(w.ID, "", foreign.Text+strings.Repeat("y", 60_000))
		for _, a := range tracker.Current() {
			if why := foreign.Line(a.Seen); why != "" || len(a.Seen) > 1000 {
				t.Errorf("%s: acknowledged by %d octets: %s", w.ID, len(a.Seen), why)
			}
		}
	}
}
