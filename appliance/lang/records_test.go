package lang

import (
	"fmt"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

func TestWhatBecomesOfCallRecords(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte("call-records\n keep 3\n syslog local1 masked\n post https://records.example.com/sbc?x=1 token 4f1c2a9e masked\n"))
	if len(problems) > 0 || cfg.Records() != (config.CallRecords{Days: 3, Syslog: config.RecordSyslog{Facility: "local1", Masked: true},
		Post: config.RecordPost{URL: "https://records.example.com/sbc?x=1", Token: "4f1c2a9e", Masked: true}}) {
		t.Errorf("%+v, problems %v", cfg.Records(), problems)
	}
	if text := string(l.Print(cfg, true)); strings.Contains(text, "4f1c2a9e") || !strings.Contains(text, "post https://records.example.com/sbc?x=1 token ") {
		t.Errorf("masked:\n%s", text)
	}
	if got := l.Check(cfg, check.Env{}); len(got) != 1 || !strings.Contains(got[0].Text, "no server is told of calls") || got[0].Source != "syslog local1 masked" {
		t.Errorf("problems %v", got)
	}
	cfg, problems = l.Parse([]byte("syslog-client\n remote 192.0.2.9\ncall-records\n syslog local1\n post https://192.0.2.8:8443/\n no post\n"))
	if problems = append(problems, l.Check(cfg, check.Env{})...); len(problems) > 0 || cfg.Records().Days != 7 || cfg.Records().Post.URL != "" {
		t.Errorf("%+v, problems %v", cfg.Records(), problems)
	}
	for _, url := range []string{"http://records.example.com/", "https://user:password@records.example.com/", "https:///x", "records.example.com", "https://a b/"} {
		if _, problems := l.Parse([]byte("call-records\n post \"" + url + "\"\n")); len(problems) == 0 {
			t.Errorf("%s is taken", url)
		}
	}
}

// erasing is a box that notes what it is told to erase.
type erasing struct {
	*box
	days []int
}

func (b *erasing) EraseCallRecords(days int) (int, error) {
	b.days = append(b.days, days)
	return len(b.days), nil
}

func TestCallRecordsAreErasedOnOrder(t *testing.T) {
	l, b := New(), &erasing{box: newBox()}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
	exec := func(line string) (Result, string) {
		var out strings.Builder
		r, _ := l.Exec(t.Context(), b, s, line, nil, &out)
		return r, out.String()
	}
	if r, _ := exec("erase call-records older-than 2"); len(b.days) > 0 || r.Collect == nil || r.Collect.Prompt != "Delete the call records that are older than 2 days, also those that have not been sent yet? [yes/no] " {
		t.Errorf("erased %v, asked %+v", b.days, r.Collect)
	}
	if _, out := exec("erase call-records force"); out != "1 file erased\n" {
		t.Errorf("%q", out)
	}
	s.Yes = true
	exec("erase call-records older-than 2")
	if fmt.Sprint(b.days) != "[0 2]" {
		t.Errorf("erased %v", b.days)
	}
	s.Class, s.Mode = config.Operator, nil
	if _, out := exec("erase call-records force"); len(b.days) != 2 || !strings.HasPrefix(out, "%") {
		t.Errorf("an operator: %v, %q", b.days, out)
	}
}
