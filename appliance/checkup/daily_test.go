package checkup

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

func TestWhatGotWorseSinceYesterdayIsAnAlarm(t *testing.T) {
	f := sound()
	c := checker(t, f)
	var saved []byte
	c.o.Save = func(text []byte) error { saved = text; return nil }
	outcome := func(tls, trust status.CheckState) status.Checkup {
		return status.Checkup{Of: all, Ended: time.Now(), Steps: []status.CheckStep{
			{ID: "tls", Subject: "sip", Title: "TLS with sip", State: tls, Problem: "no answer"}, {ID: "trust", Title: "Trust", State: trust, Problem: "too narrow"},
		}}
	}
	alarms := func() (list []string) {
		for _, a := range c.o.Health.Current() {
			list = append(list, a.Text)
		}
		return list
	}
	c.compare(outcome(status.CheckOK, status.CheckFailed))
	if got := alarms(); len(got) > 0 {
		t.Errorf("the first check has nothing to compare with: %v", got)
	}
	c.compare(outcome(status.CheckSkipped, status.CheckFailed))
	c.compare(outcome(status.CheckFailed, status.CheckFailed))
	if got := alarms(); len(got) != 1 || !strings.Contains(got[0], "TLS with sip: failed") {
		t.Errorf("what failed before is no news, and what is skipped says nothing: %v", got)
	}
	again := Open(Options{Log: c.o.Log, Box: f, Resolver: c.o.Resolver, Health: c.o.Health, Load: func(parse func([]byte) error) error { return parse(saved) }})
	if again.before.Steps["tls sip"] != status.CheckFailed || again.before.At.IsZero() {
		t.Errorf("read back: %+v of %s", again.before, saved)
	}
	c.took(outcome(status.CheckOK, status.CheckFailed))
	if got := alarms(); len(got) > 0 {
		t.Errorf("after a check by hand that finds it well: %v", got)
	}
	if c.Last().Of != all {
		t.Error("the last outcome is not kept")
	}
}

func TestTheBoxChecksItselfOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sound()
		f.cfg.CS = nil // no peer: nothing is dialled
		c := checker(t, f)
		var checks atomic.Int32
		c.o.Save = func(text []byte) error {
			var k kept
			if err := json.Unmarshal(text, &k); err != nil || len(k.Steps) == 0 {
				t.Errorf("%v: %s", err, text)
			}
			checks.Add(1)
			return nil
		}
		start := time.Now()
		go c.Run(t.Context())
		time.Sleep(firstCheck - time.Second)
		if checks.Load() != 0 {
			t.Error("a check right after the start")
		}
		for checks.Load() < 3 {
			time.Sleep(time.Hour)
			if time.Since(start) > 4*day {
				t.Fatal("no third check in four days")
			}
		}
		if since := time.Since(start); since < 2*day || since > 3*day {
			t.Errorf("three checks in %v", since)
		}
	})
}
