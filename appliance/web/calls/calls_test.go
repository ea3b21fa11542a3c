package calls

import (
	"testing"
	"time"
)

// What somebody types becomes one word of a command each, whatever is in it.
func TestASearchAsACommandAndAsAnAddress(t *testing.T) {
	s := Search{Number: `1 csv" x`, Since: "2026-11-30T08:00", Until: "2026-11-30T09:30", Result: "missed", Interface: "if_pbx", Before: "1a2b"}
	if got, want := s.line(), `show calls history 10000 number "1 csv\" x" since 2026-11-30T08:00 until 2026-11-30T09:30 result missed interface if_pbx csv`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := s.address("/calls"), "/calls?before=1a2b&interface=if_pbx&number=1+csv%22+x&result=missed&since=2026-11-30T08%3A00&until=2026-11-30T09%3A30"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := s.query(time.FixedZone("CET", 3600)).Encode(), "before=1a2b&interface=if_pbx&last=25&number=1+csv%22+x&result=missed&since=2026-11-30T08%3A00%3A00%2B01%3A00&until=2026-11-30T09%3A30%3A00%2B01%3A00"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Search{}).line(); got != "show calls history 10000 csv" {
		t.Errorf("%s", got)
	}
}
