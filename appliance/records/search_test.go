package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/explain"
	"viaduct/appliance/status"
)

// past writes records as so many calls have left them, and returns them. Texts of peers look like parts of a record.
func past(t testing.TB, dir string, days, calls int) (list []status.Record) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	course := &status.Course{StartS: 4, StepS: 5} // of three minutes
	for range 36 {
		course.LossPermille, course.JitterMS, course.R = append(course.LossPermille, 0), append(course.JitterMS, 2), append(course.R, 93)
	}
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for day := range days {
		var text bytes.Buffer
		for n := range calls / days {
			ended := begin.Add(time.Duration(day)*24*time.Hour + time.Duration(n)*86400*time.Second/time.Duration(calls/days+1))
			r := status.Record{
				Version: 2, ID: fmt.Sprintf("%04x%04x", day, n), CallID: fmt.Sprintf("c%d-%d@pbx", day, n), Started: ended.Add(-time.Duration(random.IntN(90*60)) * time.Second), Ended: ended,
				From: one("if_pbx", "if_teams"), To: one("if_pbx", "if_teams_2", ""), Calling: fmt.Sprintf("+4930%07d", random.IntN(1e7)), Called: one("user.01", "222", `","connected":"2026`, "Ünal<1>"),
				CalledMapped: fmt.Sprintf("+4971%07d", random.IntN(1e7)), By: status.Party(one("caller", "callee", "box", "media")), Code: []int{200, 486, 480, 503}[random.IntN(4)], Reason: one("", `"by":"box"`, "SIP;cause=200"),
				Attempts: []status.Attempt{{Interface: one("if_teams", "if_teams_2"), CallID: fmt.Sprintf("A%d-%d", day, n), Calling: "+4930123", Called: "+49711", Started: ended.Add(-time.Minute), Outcome: status.Answered, Code: 200}},
			}
			if random.IntN(3) > 0 {
				r.Connected, r.Code = r.Started.Add(time.Second), 200
				r.Media = []status.RecordMedia{{Side: status.ByCaller, Codec: "PCMA/8000", Media: status.Media{Received: 3000, Sent: 3000, JitterMS: 1.25, MOS: 4.41}, Course: course}, {Side: status.ByCallee, Codec: "PCMA/8000", Media: status.Media{Received: 3000, Sent: 3000, MOS: 4.41}, Course: course}}
				if random.IntN(20) == 0 {
					r.Media[1].SilentS = 40
				}
			}
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(append(line, '\n'))
			var back status.Record
			if err := json.Unmarshal(line, &back); err != nil {
				t.Fatal(err)
			}
			list = append(list, back)
		}
		if err := os.WriteFile(filepath.Join(dir, begin.AddDate(0, 0, day).Format(time.DateOnly)+suffix), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// What is kept back unread on the flash is never what the search is for.
func TestASearchFindsWhatALookAtEveryRecordFinds(t *testing.T) {
	dir := t.TempDir()
	all := past(t, dir, 5, 1000)
	a := New(Options{Dir: dir})
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	searches := []status.RecordSearch{
		{}, {Last: 20}, {Number: "49301"}, {Number: "USER.01"}, {Number: "ünal"}, {Number: `","con`}, {Called: "7155"}, {Called: "4930"}, {Since: at(3, 7), Until: at(4, 1)}, {Until: at(2, 0)}, {Since: at(5, 23)},
		{Code: 486}, {Code: 200, Last: 7}, {Interface: "if_teams"}, {Interface: "if_teams_2", Result: status.ResultRefused}, {Call: "00010002"}, {Call: "0001000A"}, {Call: "c2-3@pbx"}, {Call: "A4-4"}, {Call: "none"},
		{Call: "00010002", Result: status.ResultFailed}, {Before: all[500].ID, Last: 3}, {Before: all[0].ID},
	}
	for _, result := range status.RecordResults() {
		searches = append(searches, status.RecordSearch{Result: result}, status.RecordSearch{Result: result, Number: "1", Since: at(2, 12), Last: 11})
	}
	for _, s := range searches {
		want := explain.Select(all, s)
		got, err := a.Find(s)
		if err != nil || len(got.Records) != len(want.Records) || len(want.Records) > 0 && !reflect.DeepEqual(got.Records, want.Records) {
			t.Errorf("%+v: %d records, want %d, %v", s, len(got.Records), len(want.Records), err)
		}
		if s.Result != "" && s.Call == "" && len(want.Records) == 0 {
			t.Errorf("%+v finds nothing: the test says nothing", s)
		}
	}
	if _, err := a.Find(status.RecordSearch{Before: "0"}); err == nil || !strings.Contains(err.Error(), `no record of a call "0"`) {
		t.Errorf("before a record that does not exist: %v", err)
	}
}

// Page by page a search finds everything once.
func TestPagesOfASearchJoin(t *testing.T) {
	dir := t.TempDir()
	all := past(t, dir, 3, 600)
	a := New(Options{Dir: dir})
	s := status.RecordSearch{Result: status.ResultRefused, Last: 17}
	var got []status.Record
	for {
		found, err := a.Find(s)
		if err != nil {
			t.Fatal(err)
		}
		got = append(found.Records, got...)
		if s.Before = found.Older; s.Before == "" {
			break
		}
		if len(got) > len(all) {
			t.Fatal("the pages do not end")
		}
	}
	s.Last = 0
	if want := explain.Select(all, s).Records; len(want) < 50 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d records on all pages, want %d", len(got), len(want))
	}
}

// A search that would read more records than it may ends, says where, and goes on from there.
func TestASearchThatFindsNothingEnds(t *testing.T) {
	dir := t.TempDir()
	all := past(t, dir, 2, 300)
	a := New(Options{Dir: dir})
	s := status.RecordSearch{Number: "ÄÖÜ"} // only a look at the whole record tells
	found, err := a.find(s, 200)
	if err != nil || len(found.Records) != 0 || found.Older != all[100].ID || !found.Reached.Equal(all[100].Started) {
		t.Fatalf("%+v %v, want a search that ended at %s", found, err, all[100].ID)
	}
	s.Before = found.Older
	if found, err = a.find(s, 200); err != nil || found.Older != "" || len(found.Records) != 0 {
		t.Errorf("the rest: %+v %v", found, err)
	}
}

// A month of a busy box, without what a search would find early.
func BenchmarkSearch(b *testing.B) {
	dir := b.TempDir()
	past(b, dir, 30, 100_000)
	a := New(Options{Dir: dir})
	for name, s := range map[string]status.RecordSearch{
		"number": {Number: "+49309999999x", Last: 50}, "digits": {Number: "99999999", Last: 50}, "failed-of-a-number": {Result: status.ResultFailed, Number: "99999999", Last: 50},
		"one-way-in-January": {Result: status.ResultOneWay, Until: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Last: 50}, "call": {Call: "00000000", Last: 1}, "before-the-oldest": {Before: "00000000", Last: 50},
		"letters": {Number: "xyz", Last: 50}, "last-50": {Last: 50},
	} {
		b.Run(name, func(b *testing.B) {
			before := processorTime(b)
			for b.Loop() {
				if _, err := a.Find(s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is that of this process.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// One search after the other, and not too many in wait.
func TestSearchesTakeTurns(t *testing.T) {
	a := New(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	a.turn.Lock() // as if one were under way that takes long
	var all sync.WaitGroup
	refused := make(chan bool, mostSearches+5)
	for range mostSearches + 5 {
		all.Go(func() {
			if _, err := a.Find(status.RecordSearch{}); errors.Is(err, errSearches) {
				refused <- true
			}
		})
	}
	for range 5 {
		<-refused
	}
	a.turn.Unlock()
	all.Wait()
	if len(refused) > 0 {
		t.Errorf("%d more are refused", len(refused))
	}
	if _, err := a.Find(status.RecordSearch{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
