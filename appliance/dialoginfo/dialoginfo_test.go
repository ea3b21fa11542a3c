package dialoginfo

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// As Asterisk's res_pjsip_dialog_info_body_generator writes it: no call-id, the extension as id.
const asterisk = `<?xml version="1.0" encoding="UTF-8"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="full" entity="sip:21@10.0.0.1">
 <dialog id="21">
  <state>confirmed</state>
 </dialog>
</dialog-info>
`

// As Kamailio's presence_dialoginfo writes it: the version has leading zeros.
const kamailio = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="00000000007" state="full" entity="sip:21@pbx.test">
  <dialog id="a84b4c76e66710" call-id="a84b4c76e66710" direction="initiator">
    <state>early</state>
    <remote>
      <identity display="Bj&#246;rn">sip:22@pbx.test</identity>
      <target uri="sip:22@10.0.0.22:5060"/>
    </remote>
    <local>
      <identity>sip:21@pbx.test</identity>
      <target uri="sip:21@10.0.0.21"><param pname="+sip.rendering" pvalue="yes"/></target>
    </local>
  </dialog>
</dialog-info>`

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       Info
	}{
		{"asterisk", asterisk, Info{3, true, "sip:21@10.0.0.1", []Dialog{{ID: "21", State: Confirmed}}}},
		{"kamailio", kamailio, Info{7, true, "sip:21@pbx.test", []Dialog{{"a84b4c76e66710", "a84b4c76e66710", Initiator, Early, Party{"sip:22@pbx.test", "Björn"}, "", ""}}}},
		{"nothing", `<dialog-info version="0" state="full" entity="sip:a@b"/>`, Info{0, true, "sip:a@b", nil}},
		{"partial, with a prefix and things unknown", `<?xml version="1.0"?><!-- x --><d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info" version=" 9 " state="partial" entity="e"><x:y/><d:dialog id="1">` +
			`<d:duration>12</d:duration><d:state event="rejected" code="486">TERMINATED
</d:state></d:dialog></d:dialog-info>`, Info{9, false, "e", []Dialog{{ID: "1", State: Terminated}}}},
		{"only a target", `<dialog-info version="1" state="full" entity="e"><dialog id="1"><state>confirmed</state><remote><target uri="sip:x@y"/></remote></dialog></dialog-info>`,
			Info{1, true, "e", []Dialog{{ID: "1", State: Confirmed, Remote: Party{URI: "sip:x@y"}}}}},
		{"another encoding", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><dialog-info version=\"1\" state=\"full\" entity=\"sip:M\xfcller@b\"/>", Info{1, true, "sip:Müller@b", nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse([]byte(c.body))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsNoDocument(t *testing.T) {
	dialog := `<dialog id="1"><state>confirmed</state></dialog>`
	in := func(s string) string {
		return `<dialog-info version="1" state="full" entity="e">` + s + `</dialog-info>`
	}
	for name, body := range map[string]string{
		"empty": "", "text": "busy", "another root": `<presence/>`, "no version": `<dialog-info state="full"/>`, "negative version": `<dialog-info state="full" version="-1"/>`,
		"no state": `<dialog-info version="1"/>`, "odd state": `<dialog-info version="1" state="both"/>`,
		"no dialog state": in(`<dialog id="1"/>`), "odd dialog state": in(`<dialog id="1"><state>busy</state></dialog>`), "cut": in(dialog)[:60], "two": in("") + in(""),
		"crossed": in(`<dialog id="1"><state>confirmed</dialog></state>`), "entity": "<!DOCTYPE x [<!ENTITY a \"b\">]>" + in(dialog), "odd encoding": `<?xml version="1.0" encoding="utf-16"?>` + in(dialog),
		"too many": in(strings.Repeat(dialog, MaxDialogs+1)), "too large": in(strings.Repeat(" ", MaxBody)), "too deep": in(strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)),
	} {
		if i, err := Parse([]byte(body)); err == nil {
			t.Errorf("%s: %+v", name, i)
		}
	}
	if i, err := Parse([]byte(in(strings.Repeat(dialog, MaxDialogs)))); err != nil || len(i.Dialogs) != MaxDialogs {
		t.Errorf("%d dialogs, %v", len(i.Dialogs), err)
	}
	long := strings.Repeat("ä", MaxText)
	if i, err := Parse([]byte(in(`<dialog id="` + long + `"><state>early</state></dialog>`))); err != nil || i.Dialogs[0].ID != long[:MaxText] {
		t.Errorf("a long id: %+v, %v", i, err)
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	i := Info{17, false, `sip:"<&'>@x`, []Dialog{{"1", "c@d", Recipient, Early, Party{"sip:x@y;z=1", `A "B" <C>`}, `l"1`, "r<2"}, {ID: "2", State: Terminated}}}
	if got, err := Parse(i.Bytes()); err != nil || !reflect.DeepEqual(got, i) {
		t.Errorf("%+v, %v\n%s", got, err, i.Bytes())
	}
	for _, p := range []Presence{{"sip:21@x", true, "", ""}, {"sip:21@x", true, OnThePhone, `in a call with "B" <C>`}, {"sip:21@x", false, Busy, "do-not-disturb"}, {"", false, Away, ""}} {
		if got, err := ParsePresence(p.Bytes()); err != nil || got != p {
			t.Errorf("%+v, %v\n%s", got, err, p.Bytes())
		}
	}
	for _, d := range []Device{{DeviceState, "Custom:teams21", InUse, 1, "02:00:00:00:00:01"}, {Kind: DeviceRefresh, EID: "02:00:00:00:00:01"}} {
		if got, err := ParseDevice(d.Bytes()); err != nil || got != d {
			t.Errorf("%+v, %v\n%s", got, err, d.Bytes())
		}
	}
	want := `{"type":"devicestate","device":"Custom:teams21","state":"NOT_INUSE","cachable":1,"eid":"02:00:00:00:00:01"}`
	if got := string((Device{DeviceState, "Custom:teams21", NotInUse, 1, "02:00:00:00:00:01"}).Bytes()); got != want {
		t.Error(got)
	}
}

func TestParsePresence(t *testing.T) {
	const asterisk = `<?xml version="1.0" encoding="UTF-8"?>
<presence entity="sip:21@10.0.0.1" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:pp="urn:ietf:params:xml:ns:pidf:person" xmlns:es="urn:ietf:params:xml:ns:pidf:rpid:status:rpid-status" xmlns:ep="urn:ietf:params:xml:ns:pidf:rpid:rpid-person">
 <note>On the phone</note>
 <tuple id="21"><status><basic>open</basic></status><contact priority="1">sip:21@10.0.0.1</contact></tuple>
 <pp:person><status><ep:activities><ep:busy/></ep:activities></status></pp:person>
</presence>`
	if p, err := ParsePresence([]byte(asterisk)); err != nil || p != (Presence{"sip:21@10.0.0.1", true, Busy, "On the phone"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, body := range []string{"", "<dialog-info/>", `<presence><tuple>`, `<presence>` + strings.Repeat("<tuple/>", MaxDialogs+1) + `</presence>`} {
		if p, err := ParsePresence([]byte(body)); err == nil {
			t.Errorf("%q: %+v", body, p)
		}
	}
	two := `<presence entity="e"><tuple id="1"><status><basic>closed</basic></status></tuple><tuple id="2"><status><basic> Open </basic></status></tuple></presence>`
	if p, err := ParsePresence([]byte(two)); err != nil || !p.Open {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestParseDevice(t *testing.T) {
	for _, body := range []string{"", "[]", "{}", `{"type":"devicestate","device":"x","eid":"y"}`, `{"type":"devicestate","device":1,"state":"INUSE"}`, `{"type":"mailboxstate"}`, `{"type":"refresh","x":"` + strings.Repeat("x", MaxBody) + `"}`} {
		if d, err := ParseDevice([]byte(body)); err == nil {
			t.Errorf("%.60q: %+v", body, d)
		}
	}
}

func TestTable(t *testing.T) {
	dialog := func(id string, s State) Dialog { return Dialog{ID: id, State: s, Direction: Recipient} }
	var table Table
	for n, step := range []struct {
		i    Info
		want Outcome
		talk string
	}{
		{Info{Version: 4, Dialogs: []Dialog{dialog("a", Confirmed)}}, Missed, ""}, // nothing is known yet
		{Info{Version: 5, Full: true, Dialogs: []Dialog{dialog("a", Early), dialog("b", Confirmed)}}, Taken, "b"},
		{Info{Version: 6, Dialogs: []Dialog{dialog("a", Confirmed)}}, Taken, "ab"},
		{Info{Version: 6, Dialogs: []Dialog{dialog("a", Terminated)}}, Stale, "ab"},
		{Info{Version: 8, Dialogs: []Dialog{dialog("a", Terminated)}}, Missed, "ab"},
		{Info{Version: 7, Dialogs: []Dialog{dialog("b", Terminated), dialog("x", Terminated)}}, Taken, "a"},
		{Info{Version: 0, Full: true, Dialogs: []Dialog{dialog("c", Confirmed), dialog("d", Terminated)}}, Taken, "c"}, // it counts anew, or not at all
		{Info{Version: 0, Full: true}, Taken, ""},
	} {
		got := table.Apply(step.i)
		talk := ""
		for _, d := range table.Talks() {
			talk += d.ID
		}
		if got != step.want || talk != step.talk {
			t.Errorf("step %d: outcome %d, in a call %q", n, got, talk)
		}
	}
	for n := range MaxDialogs {
		if got := table.Apply(Info{Version: uint64(n) + 1, Dialogs: []Dialog{dialog(fmt.Sprint(n), Confirmed)}}); got != Taken {
			t.Fatalf("dialog %d: %d", n, got)
		}
	}
	if got := table.Apply(Info{Version: MaxDialogs + 1, Dialogs: []Dialog{dialog("one more", Confirmed)}}); got != Missed || len(table.Talks()) != MaxDialogs {
		t.Errorf("beyond the bound: %d", got)
	}
}

// A phone that rings is free, one that calls is not.
func TestTalks(t *testing.T) {
	for _, s := range []State{Trying, Proceeding, Early} {
		if (Dialog{State: s}).Talks() || (Dialog{State: s, Direction: Recipient}).Talks() || !(Dialog{State: s, Direction: Initiator}).Talks() {
			t.Error(s)
		}
	}
	if !(Dialog{State: Confirmed}).Talks() || (Dialog{State: Terminated, Direction: Initiator}).Talks() {
		t.Error("confirmed and terminated")
	}
}

// Nothing that a peer writes makes a fault or more than the bounds, and what was understood is understood again when it is written.
func FuzzParse(f *testing.F) {
	for _, s := range []string{asterisk, kamailio, string(Info{1, false, "e", []Dialog{{"1", "c", Recipient, Early, Party{"sip:x@y", "X"}, "l", "r"}}}.Bytes())} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		i, err := Parse(body)
		if err != nil {
			return
		}
		if len(i.Dialogs) > MaxDialogs || len(i.Entity) > MaxText {
			t.Errorf("%d dialogs of %q", len(i.Dialogs), i.Entity)
		}
		again, err := Parse(i.Bytes())
		if err != nil || !reflect.DeepEqual(again, i) {
			t.Errorf("%+v, again %+v, %v", i, again, err)
		}
		var table Table
		table.Apply(i)
		table.Apply(again)
	})
}

func FuzzParsePresence(f *testing.F) {
	f.Add((Presence{"sip:21@x", true, OnThePhone, "note"}).Bytes())
	f.Add([]byte(`<presence entity="e"><tuple id="1"><status><basic>closed</basic></status></tuple><person><activities><busy/></activities></person></presence>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParsePresence(body)
		if err != nil {
			return
		}
		if again, err := ParsePresence(p.Bytes()); err != nil || again != p {
			t.Errorf("%+v, again %+v, %v", p, again, err)
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	f.Add((Device{DeviceState, "Custom:teams21", InUse, 1, "02:00:00:00:00:01"}).Bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := ParseDevice(body)
		if err != nil {
			return
		}
		if again, err := ParseDevice(d.Bytes()); err != nil || again != d {
			t.Errorf("%+v, again %+v, %v", d, again, err)
		}
	})
}

func TestACopyOfATableGoesItsOwnWay(t *testing.T) {
	var before Table
	before.Apply(Info{Full: true, Dialogs: []Dialog{{ID: "a", State: Confirmed}, {ID: "b", State: Confirmed}}})
	after := before
	after.Apply(Info{Version: 1, Dialogs: []Dialog{{ID: "a", State: Terminated}, {ID: "b", State: Early}}})
	if list := before.Talks(); len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		t.Errorf("%+v", list)
	}
}
