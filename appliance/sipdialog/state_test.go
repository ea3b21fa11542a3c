package sipdialog

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzLegState(f *testing.F) {
	f.Add(`{"cs":"SWITCH","if":"pbx","dialog":{"id":"a","localTag":"b","remoteTag":"c","target":"sip:a@b","transport":"udp"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var x LegState
		if json.Unmarshal([]byte(text), &x) != nil {
			return
		}
		out, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var again LegState
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func BenchmarkLegState(b *testing.B) {
	x := LegState{Context: "SWITCH", Interface: "pbx", Said: strings.Repeat("a=rtpmap:0 PCMU/8000\r\n", 30)}
	x.Dialog.CallID, x.Dialog.LocalTag, x.Dialog.RemoteTag, x.Dialog.Target = "id", "a", "b", "sip:a@b"
	x.Dialog.Routes = []string{"<sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>"}
	for b.Loop() {
		if _, err := json.Marshal(x); err != nil {
			b.Fatal(err)
		}
	}
}
