package lang

import (
	"context"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// askedBox notes under which configuration calls were to be replayed.
type askedBox struct {
	busyBox
	candidate *config.Config
	since     time.Time
}

func (b *askedBox) WhatIf(_ context.Context, candidate *config.Config, since time.Time, _ time.Duration) (status.WhatIf, error) {
	b.candidate, b.since = candidate, since
	refused := status.WhatIfGroup{Change: status.WouldBeRefused, Text: "routing-table rt: no key matches and there is no default", Calls: 2, Emergency: 1}
	refused.Example.ID, refused.Example.Started, refused.Example.Calling, refused.Example.Called = "15", noon, hostile, "112"
	refused.Example.Now, refused.Example.Then = "if_teams calling +112@sip.pstnhub.microsoft.com for 222", "refused with 404: routing-table rt: no key matches and there is no default"
	return status.WhatIf{Since: since, Calls: 1204, Same: 1202, TooOld: 3, NotAsked: 1, Groups: []status.WhatIfGroup{refused}}, nil
}

func TestWhatIf(t *testing.T) {
	l := New()
	b := &askedBox{busyBox: busyBox{newBox()}}
	b.cfg, _ = l.Parse([]byte("system hostname here\n"))
	running := b.cfg
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
	run := func(line, body string) string {
		var out strings.Builder
		var block []byte
		if body != "" {
			block = []byte(body)
		}
		if r, _ := l.Exec(t.Context(), b, s, line, block, &out); r.Collect != nil {
			return r.Collect.Prompt
		}
		return out.String()
	}
	const want = `1204 calls since 2026-11-21 12:00:00 UTC under console:
  1202 would go as now
     2 would be refused: routing-table rt: no key matches and there is no
       default (emergency calls: 1)
       for example `
	got := run("what-if console:", "sntp-client\n")
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "% note: 3 records of an older firmware") || !strings.Contains(got, "the time was up before another 1 call") {
		t.Errorf("%s", got)
	}
	if strings.ContainsAny(got, "\x1b\r\u202e") || strings.Contains(got, "\n    reload") {
		t.Errorf("%q", got)
	}
	if b.candidate.Hostname != "" || !b.candidate.SNTP.Enabled {
		t.Errorf("replayed under %+v", b.candidate)
	}
	if run("what-if console: merge since 10:00", "sntp-client\n"); b.candidate.Hostname != "here" || !b.since.Equal(noon.Add(-2*time.Hour)) {
		t.Errorf("merged: %q since %v", b.candidate.Hostname, b.since)
	}
	b.candidate = nil
	for line, x := range map[string]struct{ body, want string }{
		"what-if console:":          {"", "Paste the configuration"},
		"what-if console: merge":    {"sntp-client\nblah\n", "1 line not understood: no call was replayed"},
		"what-if console: since 1h": {"# nothing\n", "no call was replayed"},
		"what-if startup-config.9":  {"", "there is no startup-config.9 yet"},
		"what-if console: since x":  {"sntp-client\n", `"x" is no time`},
	} {
		if got := run(line, x.body); !strings.Contains(got, x.want) || b.candidate != nil {
			t.Errorf("%s: %s", line, got)
		}
	}
	if b.cfg != running {
		t.Error("the running-config was changed")
	}
}
