package explain

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// text is an explanation on one line.
func text(r status.Record) string {
	var b strings.Builder
	for _, l := range Record(r, time.UTC, noon) {
		b.WriteString(l.Head + ": " + l.Text + " ")
	}
	return b.String()
}

// The tables say what a code means behind the code, and what to do in a sentence. What a user did needs no repair.
func TestTablesAreComplete(t *testing.T) {
	for name, table := range map[string]map[int]meaning{"SIP": codes, "Q.850": causes, "Microsoft": microsoftCodes} {
		for _, n := range slices.Sorted(maps.Keys(table)) {
			switch m := table[n]; {
			case m.says == "" || strings.HasSuffix(m.says, ".") || len(m.says) > 70:
				t.Errorf("%s %d says %q", name, n, m.says)
			case m.do == "" && !m.user && n != 560402 && m.brief != "cancelled":
				t.Errorf("%s %d: nobody knows what to do", name, n)
			case m.do != "" && !strings.HasSuffix(m.do, "."):
				t.Errorf("%s %d: %q is no sentence", name, n, m.do)
			case len(m.brief) > 20:
				t.Errorf("%s %d: %q is too long for a list", name, n, m.brief)
			}
		}
	}
	for n := 400; n <= 699; n++ {
		if m := meaningOf(status.Record{Ended: noon, By: status.ByCallee, Code: n}); m.says == "" || m.brief == "" {
			t.Errorf("%d: %+v", n, m)
		}
	}
}

// Every command and statement that the tables name is one of this box.
func TestWhatIsToBeTypedExists(t *testing.T) {
	manual, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	var all []string
	for _, file := range []string{"codes.go", "causes.go", "microsoft.go", "meaning.go", "end.go", "voice.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllStringSubmatch(string(source), -1) {
			if !slices.Contains(all, m[1]) {
				all = append(all, m[1])
			}
		}
	}
	if len(all) < 20 {
		t.Errorf("only %d are found", len(all))
	}
	for _, line := range all {
		words := strings.Fields(line)
		name := strings.TrimPrefix(line, "no ")
		switch {
		case words[0] == "debug":
			name = "### `debug <topic>"
		case words[0] == "codec":
			name = "codec [<index>]"
		case strings.HasPrefix(line, "show port ethernet"):
			name = "show port ethernet <"
		case strings.HasPrefix(line, "show calls detail"):
			name = "show calls [detail"
		case line == "route default":
			name = "`default`"
		case strings.HasPrefix(line, "hold-method"):
			name = "hold-method"
		case words[0] == "srtp":
			name = "srtp transmission"
		case line == "spoofed":
			name = "spoofed "
		}
		if !strings.Contains(string(manual), name) {
			t.Errorf("%s is not in the manual", line)
		}
	}
}

// What a record of version 1 lacks is not missed, nor is anything else.
func TestRecordsThatSayLittle(t *testing.T) {
	v1 := status.Record{Version: 1, Started: noon.Add(-time.Minute), Ended: noon, From: "if_pbx", To: "if_teams", Calling: "222", Called: "+4930123", By: status.ByBox, Code: 486,
		Attempts: []status.Attempt{{Interface: "if_teams", Calling: "+49222", Called: "+4930123", Code: 486, Text: "Q.850;cause=34"}}}
	got := text(v1)
	for _, want := range []string{"222 called +4930123 through if_pbx", "if_teams answered with 486 (busy)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if Brief(v1) != "busy" || Failed(v1) {
		t.Errorf("%s, failed: %v", Brief(v1), Failed(v1))
	}
	text(status.Record{})
	text(status.Record{Ended: noon})
	text(status.Record{Ended: noon, Attempts: []status.Attempt{{}}, Route: []status.RouteStep{{}}, Media: []status.RecordMedia{{}}})
}

func TestResults(t *testing.T) {
	begun, talked := noon.Add(-time.Minute), noon.Add(-50*time.Second)
	for _, c := range []struct {
		name   string
		r      status.Record
		brief  string
		failed bool
		says   string
	}{
		{"in progress", status.Record{Started: begun, Connected: talked}, "in progress", false, "answered 50 seconds ago"},
		{"ringing", status.Record{Started: begun}, "in progress", false, "not answered yet"},
		{"answered", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByCaller, Code: 200, From: "if_a", Cause: 16, Reason: "Q.850;cause=16"}, "answered", false,
			"The caller (if_a) hung up after 50 seconds."},
		{"hung up for a reason", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByCallee, Code: 200, To: "if_b", Cause: 41, Reason: `Q.850;cause=41;text="line down"`},
			"answered", false, `with Q.850 cause 41 (temporary failure), saying "line down".`},
		{"one way", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByCaller, Media: []status.RecordMedia{{Side: status.ByCallee, SilentS: 40}}}, "one-way voice", true,
			"in the last 40 seconds nothing came from the callee"},
		{"no voice", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByMedia, Reason: `Q.850;cause=102;text="no media"`}, "lost: no voice", true, "no voice came any more"},
		{"cleared", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByAdministrator}, "cleared", false, "An administrator cleared it"},
		{"no ACK", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByBox, From: "if_a", Reason: "the caller is gone: no ACK"}, "lost", true,
			"because the caller's side was lost (no ACK)"},
		{"elsewhere", status.Record{Started: begun, Ended: noon, By: status.ByCaller, Code: 487, Reason: "SIP ;cause=200"}, "answered elsewhere", false, "the call was answered elsewhere"},
		{"given up", status.Record{Started: begun, Ended: noon, By: status.ByCaller, Code: 487}, "cancelled", false, "gave up after 60 seconds, before anything rang"},
		{"declined", status.Record{Started: begun, Ended: noon, By: status.ByCallee, Code: 603, Attempts: []status.Attempt{{Outcome: status.Refused, Code: 603}}}, "declined", false, "The callee declined"},
		{"password", status.Record{Started: begun, Ended: noon, By: status.ByCallee, Code: 503, Attempts: []status.Attempt{{Outcome: status.Refused, Code: 401}}}, "password refused", true,
			"The caller was told 503"},
		{"vague code, clear cause", status.Record{Started: begun, Ended: noon, By: status.ByCallee, Code: 500, Attempts: []status.Attempt{{Outcome: status.Refused, Code: 500, Cause: 34}}}, "no channel", true,
			"no free channel"},
		{"registration lost", status.Record{Started: begun, Ended: noon, By: status.ByBox, Code: 503, Cause: 38,
			Attempts: []status.Attempt{{Interface: "if_b", Outcome: status.Skipped, Text: "the peer of if_b registers none of our identities: 403 Forbidden"}}}, "not reached", true, "show sip registrations"},
		{"name not found", status.Record{Started: begun, Ended: noon, By: status.ByBox, Code: 503, Cause: 38,
			Attempts: []status.Attempt{{Interface: "if_b", Outcome: status.Unreached, Text: "lookup pbx.example.com: no such host"}}}, "not reached", true, "dns-client server"},
		{"drained", status.Record{Started: begun, Ended: noon, By: status.ByBox, Code: 503, Cause: 41, Reason: "the box is being taken out of service"}, "out of service", true,
			"The box refused the call with 503: the box is being taken out of service. To do: Somebody wants it so"},
		{"an offer that is of no use", status.Record{Started: begun, Ended: noon, By: status.ByBox, Code: 488, From: "if_a", Reason: "no codec in common"}, "no common codec", true,
			"with 488: no codec in common. To do: Compare `profile voip` of if_a"},
		{"no answer", status.Record{Started: begun, Ended: noon, By: status.ByCallee, Code: 480, Attempts: []status.Attempt{{Outcome: status.Refused, Code: 480, Started: begun, Ringing: talked}}},
			"no answer", false, "Nobody answered"},
		{"not there", status.Record{Started: begun, Ended: noon, By: status.ByCallee, Code: 480, Attempts: []status.Attempt{{Outcome: status.Refused, Code: 480}}}, "not available", true,
			"The callee is not available"},
		{"ports", status.Record{Started: begun, Ended: noon, By: status.ByBox, Code: 503, Reason: "open media port of if_a: media ports 16384 to 16386: all are taken"}, "no ports", true, "media-ports"},
		{"our own answer, by Microsoft's code", status.Record{Started: begun, Connected: talked, Ended: noon, By: status.ByCaller, Cause: 31, Reason: `Q.850;cause=31;text="x"`,
			Microsoft: &status.MicrosoftText{Code: 560404}}, "answered", false, "this box answered with 404"},
	} {
		got := text(c.r)
		if !strings.Contains(got, c.says) || Brief(c.r) != c.brief || Failed(c.r) != c.failed {
			t.Errorf("%s: %q, failed %v: %s", c.name, Brief(c.r), Failed(c.r), got)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "no time", 300 * time.Millisecond: "0.3 seconds", time.Second: "1 second", 12400 * time.Millisecond: "12 seconds", 150 * time.Second: "2 minutes 30 seconds",
		3 * time.Minute: "3 minutes", 5*time.Hour + time.Minute: "5 hours 1 minute",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestWhichCallsCountAsFailed(t *testing.T) {
	up := time.Unix(1, 0)
	for what, c := range map[string]struct {
		record status.Record
		want   bool
	}{
		"not found":             {status.Record{Code: 404, By: status.ByCallee}, true},
		"no license":            {status.Record{Code: 503, By: status.ByBox}, true},
		"given up":              {status.Record{Code: 487, By: status.ByCaller}, false},
		"busy":                  {status.Record{Code: 486, By: status.ByCallee}, false},
		"declined":              {status.Record{Code: 603, By: status.ByCallee}, false},
		"talked":                {status.Record{Code: 200, By: status.ByCaller, Connected: up}, false},
		"cut off":               {status.Record{Code: 200, By: status.ByBox, Connected: up}, true},
		"without media":         {status.Record{Code: 200, By: status.ByMedia, Connected: up}, true},
		"with one voice":        {status.Record{Code: 200, By: status.ByCaller, Connected: up, Media: []status.RecordMedia{{Side: status.ByCallee, SilentS: 20}}}, true},
		"ended by command":      {status.Record{Code: 200, By: status.ByAdministrator, Connected: up}, false},
		"unanswered, timed out": {status.Record{Code: 408, By: status.ByBox}, true},
	} {
		c.record.Ended = noon
		if got := Failed(c.record); got != c.want {
			t.Errorf("a call that was %s failed: %t, want %t", what, got, c.want)
		}
	}
}

// The interface of two phones is one: the voice of each says whose it is.
func TestTheVoiceOfTwoPhonesSaysWhoseItIs(t *testing.T) {
	r := status.Record{Started: noon, Connected: noon.Add(time.Second), Ended: noon.Add(time.Minute), From: "if_phones", To: "if_phones", By: status.ByCaller, Code: 200,
		Media: []status.RecordMedia{{Side: status.ByCaller, Codec: "PCMA/8000", Media: status.Media{Received: 2950}}, {Side: status.ByCallee, Codec: "PCMA/8000"}}}
	for _, want := range []string{"From the caller (if_phones): PCMA", "From the callee (if_phones): nothing"} {
		if got := text(r); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}
