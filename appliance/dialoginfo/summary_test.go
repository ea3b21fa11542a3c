package dialoginfo

import (
	"strings"
	"testing"
)

func TestParseSummary(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       Summary
	}{
		{"Asterisk", "Messages-Waiting: yes\r\nMessage-Account: sip:asterisk@192.0.2.100\r\nVoice-Message: 2/8 (0/2)\r\n", Summary{true, "sip:asterisk@192.0.2.100", Messages{true, 2, 8, 0, 2}, Messages{}}},
		{"as RFC 3842 has it", "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\nVideo-Message: 0/1\r\nFax-Message: 2/0 (0/0)\r\n\r\nTo: <alice@atlanta.example.com>\r\n",
			Summary{true, "sip:alice@vmail.example.com", Messages{true, 4, 8, 1, 2}, Messages{true, 2, 0, 0, 0}}},
		{"the least", "Messages-Waiting:no", Summary{}},
		{"bare line feeds, odd case and blanks", "messages-waiting : YES \nMESSAGE-ACCOUNT: <sip:21@pbx>\nvoice-message:  1 / 0 ( 0 / 0 ) \n", Summary{true, "sip:21@pbx", Messages{true, 1, 0, 0, 0}, Messages{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSummary([]byte(c.body))
			if err != nil || got != c.want {
				t.Errorf("%+v, %v", got, err)
			}
			again, err := ParseSummary(got.Bytes())
			if err != nil || again != got {
				t.Errorf("again %+v, %v: %q", again, err, got.Bytes())
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsNoSummary(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "another document": "<dialog-info/>", "no status": "Voice-Message: 1/0\r\n", "odd status": "Messages-Waiting: maybe\r\n", "no numbers": "Messages-Waiting: yes\r\nVoice-Message: some\r\n",
		"half a pair": "Messages-Waiting: yes\r\nVoice-Message: 1\r\n", "negative": "Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n", "too many": "Messages-Waiting: yes\r\nVoice-Message: 4294967296/0\r\n",
		"open": "Messages-Waiting: yes\r\nVoice-Message: 1/0 (1/0\r\n", "more after it": "Messages-Waiting: yes\r\nVoice-Message: 1/0 (1/0) 7\r\n", "fax": "Messages-Waiting: yes\r\nFax-Message: x/0\r\n",
		"too large": "Messages-Waiting: yes\r\n" + strings.Repeat(" ", MaxBody), "late": strings.Repeat("X: y\r\n", maxSummary) + "Messages-Waiting: yes\r\n",
	} {
		if s, err := ParseSummary([]byte(body)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A mailbox whose name would add lines adds none.
func TestASummaryHasItsOwnLinesAlone(t *testing.T) {
	s := Summary{Account: "sip:21@pbx\r\nMessages-Waiting: yes\r\n", Voice: Messages{Said: true}}
	if got := string(s.Bytes()); got != "Messages-Waiting: no\r\nMessage-Account: sip:21@pbxMessages-Waiting: yes\r\nVoice-Message: 0/0 (0/0)\r\n" {
		t.Errorf("%q", got)
	}
	if s, err := ParseSummary([]byte("Messages-Waiting: no\nMessage-Account: sip:" + strings.Repeat("x", 2*MaxText))); err != nil || len(s.Account) != MaxText {
		t.Errorf("%d octets, %v", len(s.Account), err)
	}
}

// Nothing that a peer writes makes a fault, and what was understood is understood again when it is written.
func FuzzParseSummary(f *testing.F) {
	f.Add([]byte("Messages-Waiting: yes\r\nMessage-Account: sip:21@pbx\r\nVoice-Message: 2/8 (0/2)\r\nFax-Message: 1/0\r\n"))
	f.Add([]byte("Messages-Waiting: no\nMessage-Account: <\x00>\xff <\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ParseSummary(body)
		if err != nil {
			return
		}
		if again, err := ParseSummary(s.Bytes()); err != nil || again != s || len(s.Account) > MaxText {
			t.Errorf("%+v, again %+v, %v", s, again, err)
		}
	})
}
