package explain

import (
	"strings"
	"testing"

	"viaduct/appliance/status"
)

// What Teams says in a Reason header is taken apart: the id for support, the code, the words. An address, a number of a call or an id is no code.
func TestWordsOfMicrosoft(t *testing.T) {
	const id = "9810e5a9-667c-4513-8d3a-5d83503e1c71"
	for reason, want := range map[string]status.MicrosoftText{
		`Q.850;cause=63;text="` + id + `;Current call site state prevents fork to this entity."`: {ID: id, Text: "Current call site state prevents fork to this entity."},
		`Q.850;cause=63;text="` + id + `;510532;no trunk config found"`:                          {ID: id, Code: 510532, Text: "no trunk config found"},
		`Q.850;cause=34; text="560486 busy; twice"; 399 sbc "other"`:                             {Code: 560486, Text: "560486 busy; twice"},
		`Q.850;cause=21;text="10500"`:                                                            {Code: 10500},
		`Q.850;cause=16;text="52.114.75.24:50601 said +49540200 and 540200a"`:                    {Text: "52.114.75.24:50601 said +49540200 and 540200a"},
		"Q.850;cause=16;text=\"a\x1b[2Jb\"":                                                      {Text: `a\x1b[2Jb`},
		`Q.850;cause=16;text="`:                                                                  {},
		`Q.850;cause=16`:                                                                         {},
		``:                                                                                       {},
	} {
		got := Microsoft(reason)
		if want == (status.MicrosoftText{}) {
			if got != nil {
				t.Errorf("%q: %+v", reason, *got)
			}
		} else if got == nil || *got != want {
			t.Errorf("%q: %+v, want %+v", reason, got, want)
		}
	}
	if m := Microsoft(`Q.850;text="` + strings.Repeat("x", 5000)); len(m.Text) > 256 {
		t.Errorf("%d characters are kept", len(m.Text))
	}
}
