package sipdialog

import (
	"encoding/json"
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
