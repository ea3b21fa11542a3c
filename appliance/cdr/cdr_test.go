package cdr

import (
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 123_000_000, time.UTC)

// full is a record with everything.
func full() status.Record {
	return status.Record{
		Version: 2, ID: "9f2b3c4d", CallID: "a@b", Peer: "52.112.1.1:5061/tls", Started: noon, Alerted: noon.Add(time.Second), Connected: noon.Add(2 * time.Second),
		Ended: noon.Add(64500 * time.Millisecond), From: "if_teams", To: "if_pbx", Calling: "+49301234567", Called: "sip:+4989765432@pbx.example.com",
		CallingMapped: "00301234567", CalledMapped: "432", Asked: status.Properties{CalledURI: "sip:+4989765432@pbx", CallingName: "0301234567"}, Emergency: true,
		Licenses: status.LicensesInUse{Sessions: 0, SessionsTotal: 4, Channels: 1, ChannelsTotal: 8},
		Route:    []status.RouteStep{{Table: "rt", Action: "go", Before: "+4989765432", After: "432"}, {Table: "rt", Action: "next"}, {Table: "map", Entry: "map 432", Action: "map", After: "432"}},
		Attempts: []status.Attempt{
			{Interface: "if_pbx_1", Called: "432", Account: "user432", Outcome: status.Refused, Code: 486, Text: "Warning: 399 +4989 765432 is busy", Microsoft: &status.MicrosoftText{Code: 560403, Text: "call to 089765432 blocked"}},
			{Interface: "if_pbx", Called: "432", Calling: "00301234567", Outcome: status.Answered, Code: 200},
		},
		By: status.ByCallee, Code: 200, Cause: 16, Reason: `Normal; "bye", 0301234567 hung up`, Microsoft: &status.MicrosoftText{Code: 540000, Text: "to 0301234567"}, Transfers: 1, Holds: 2,
		Media: []status.RecordMedia{
			{Side: status.ByCallee, Codec: "PCMA/8000", Media: status.Media{Received: 9, Sent: 8, Lost: -3, JitterMS: 0.5, MOS: 4.31}},
			{Side: status.ByCaller, Codec: "PCMU/8000", Suite: "AES", SilentS: 12, Local: netip.MustParseAddrPort("[2001:db8::1]:16384"), Remote: netip.MustParseAddrPort("52.113.1.1:50000"), Media: status.Media{Received: 0, Sent: 9, RoundTripMS: 31.25}},
		},
	}
}

// table reads a table as any program does, into its columns by name.
func table(t *testing.T, rows ...string) []map[string]string {
	t.Helper()
	r := csv.NewReader(strings.NewReader(strings.Join(append([]string{Header()}, rows...), "\n") + "\n"))
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, row := range all[1:] {
		m := map[string]string{}
		for n, name := range all[0] {
			m[name] = row[n]
		}
		list = append(list, m)
	}
	return list
}

// Programs that read the table rely on this header. A new column comes at its end.
func TestTheHeaderStaysAsItIs(t *testing.T) {
	const want = "id,started,alerted,connected,ended,talked_s,from,to,calling,called,calling_mapped,called_mapped,emergency,by,code,cause,reason,microsoft_code,microsoft_text," +
		"one_way,sessions,sessions_total,channels,channels_total,transfers,holds,call_id,peer,attempts,route,version," +
		"from_codec,from_srtp,from_received,from_sent,from_lost,from_jitter_ms,from_round_trip_ms,from_mos," +
		"to_codec,to_srtp,to_received,to_sent,to_lost,to_jitter_ms,to_round_trip_ms,to_mos," +
		"from_media_local,from_media_remote,to_media_local,to_media_remote"
	if got := Header(); !strings.HasPrefix(got, want) {
		t.Errorf("the header is %s", got)
	}
}

func TestARowSaysWhatTheRecordSays(t *testing.T) {
	row := table(t, Row(full()))[0]
	for name, want := range map[string]string{
		"id": "9f2b3c4d", "started": "2026-11-29T12:00:00.123Z", "talked_s": "62.5", "calling": "'+49301234567", "called_mapped": "432", "emergency": "yes", "by": "callee",
		"code": "200", "cause": "16", "reason": `Normal; "bye", 0301234567 hung up`, "microsoft_code": "540000", "one_way": "caller", "sessions": "0", "channels": "1",
		"attempts": "if_pbx_1 refused 486; if_pbx answered 200", "route": "rt > map", "from_codec": "PCMU/8000", "from_received": "0", "to_lost": "-3", "to_mos": "4.31", "from_mos": "",
		"from_media_local": "[2001:db8::1]:16384", "from_media_remote": "52.113.1.1:50000", "to_media_remote": "",
	} {
		if row[name] != want {
			t.Errorf("%s is %q, want %q", name, row[name], want)
		}
	}
	// A record of the first version, and of a call that nobody answered.
	row = table(t, Row(status.Record{ID: "1", Started: noon, Ended: noon, Code: 404, Media: []status.RecordMedia{{Codec: "A"}, {Codec: "B"}}}))[0]
	for name, want := range map[string]string{"connected": "", "talked_s": "0", "code": "404", "sessions": "", "version": "1", "from_codec": "A", "to_codec": "B"} {
		if row[name] != want {
			t.Errorf("%s is %q, want %q", name, row[name], want)
		}
	}
}

// fill sets every text of a value, in lists as well.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Field(n).CanSet() {
				fill(v.Field(n), text)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for n := range 2 {
			fill(v.Index(n), text)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	}
}

// Whatever a peer calls itself, a spreadsheet calculates nothing, and a row stays one line.
func TestHostileTextInEveryColumn(t *testing.T) {
	for _, text := range []string{
		"=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\r\n=1+1", " =1+1", "＝1+1", "|x", "a\nb,\"c\"", "\x1b[2J", "\"=1\"", ",=1", "'=1", "x;=1", "x;;\t-1", `x; "=1"`, `";=1;"`,
	} {
		var r status.Record
		fill(reflect.ValueOf(&r).Elem(), text)
		row := Row(r)
		if strings.ContainsAny(row, "\n\r\t\x1b") {
			t.Errorf("%q is more than a line: %q", text, row)
		}
		for name, value := range table(t, row)[0] {
			if first := strings.TrimLeft(value, " "); first != "" && strings.ContainsRune("=+-@＝＋－＠|%", []rune(first)[0]) {
				t.Errorf("%q in %s is %q", text, name, value)
			}
		}
		for _, cell := range strings.Split(row, ";") { // what a spreadsheet does whose separator is a semicolon
			if first := strings.TrimLeft(cell, ` "`); first != "" && strings.ContainsRune("=+-@＝＋－＠|%", []rune(first)[0]) {
				t.Errorf("%q has the cell %q in %q", text, cell, row)
			}
		}
	}
}

func TestAttributesComeInTheOrderOfTheColumns(t *testing.T) {
	attrs := Attrs(full())
	var line []string
	for _, a := range attrs {
		line = append(line, a.String())
	}
	want := []string{
		"call=9f2b3c4d", "started=2026-11-29T12:00:00.123Z", "alerted=2026-11-29T12:00:01.123Z", "connected=2026-11-29T12:00:02.123Z", "ended=2026-11-29T12:01:04.623Z", "talked_s=62.5",
		"from=if_teams", "to=if_pbx", "calling=+49301234567", "called=sip:+4989765432@pbx.example.com", "calling_mapped=00301234567", "called_mapped=432", "emergency=yes", "by=callee",
		"code=200", "cause=16", `reason=Normal; "bye", 0301234567 hung up`, "microsoft_code=540000", "microsoft_text=to 0301234567", "one_way=caller", "sessions=0",
	}
	if len(line) < len(want) || !slices.Equal(line[:len(want)], want) {
		t.Errorf("%q", line)
	}
	names, last := strings.Split(Header(), ","), 0
	for _, a := range attrs[1:] {
		n := slices.Index(names, a.Key)
		if n <= last {
			t.Errorf("%s is out of order", a.Key)
		}
		last = n
	}
}

func TestAMaskedRecordHasNoWholeNumber(t *testing.T) {
	r := full()
	before, _ := json.Marshal(r)
	masked := Mask(r)
	if after, _ := json.Marshal(r); string(after) != string(before) {
		t.Error("the record itself was changed")
	}
	text, _ := json.Marshal(masked)
	for _, digits := range []string{"4567", "5432", `"432"`, "user432", "432"} {
		if strings.Contains(string(text), digits) {
			t.Errorf("%s is still there: %s", digits, text)
		}
	}
	for want, got := range map[string]string{
		"+49301234xxx": masked.Calling, "sip:+4989765xxx@pbx.example.com": masked.Called, "xxx": masked.CalledMapped, "userxxx": masked.Attempts[0].Account,
		`Normal; "bye", 0301234xxx hung up`: masked.Reason, "Warning: 399 +4989 765xxx is busy": masked.Attempts[0].Text, "to 0301234xxx": masked.Microsoft.Text, "9f2b3c4d": masked.ID,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if masked.Route[1].Table != "rt" || masked.Attempts[0].Code != 486 || masked.Microsoft.Code != 540000 || masked.Cause != 16 {
		t.Errorf("too much is gone: %s", text)
	}
}

// A short number is masked in free text when the record names it elsewhere.
func TestAMaskedRecordHasNoShortNumberInText(t *testing.T) {
	masked := Mask(status.Record{
		Calling: "22", Called: "+4989765117", Reason: "rt: no key matches 4711 and there is no default, 486 or 404", Microsoft: &status.MicrosoftText{Text: "22 is not 117"},
		Route:    []status.RouteStep{{Table: "rt", Action: "reject", Before: "4711", After: "no key matches"}},
		Attempts: []status.Attempt{{Called: "117", Text: "Warning: 399 117 is busy"}},
	})
	for want, got := range map[string]string{
		"rt: no key matches 4xxx and there is no default, 486 or 404": masked.Reason, "xx is not xxx": masked.Microsoft.Text, "Warning: 399 xxx is busy": masked.Attempts[0].Text,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestKeysDifferWhereIDsDoNot(t *testing.T) {
	a, b := full(), full()
	b.Started = b.Started.Add(time.Millisecond)
	if Key(a) == Key(b) || Key(a) != "20261129T120000.123-9f2b3c4d" {
		t.Errorf("%s, %s", Key(a), Key(b))
	}
}
