package fleetlab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet/view"
	"viaduct/appliance/license"
)

// TestAHubAndThreeBoxes goes through the life of a small fleet: enrolment, ssh through the hub, licenses that are lent, used up, and returned, a hub that
// is killed, a box that is away, one that is revoked. At the end the hub has all alarms and calls of all boxes, each once and in its order.
func TestAHubAndThreeBoxes(t *testing.T) {
	began := time.Now()
	step := func(what string) { t.Logf("%5.1f s: %s", time.Since(began).Seconds(), what) }
	f := newFleet(t, "berlin", "paris", "rome")
	berlin, paris, rome := f.boxes[0], f.boxes[1], f.boxes[2]
	step("the boxes answer")

	// The hub, and who belongs to it: nobody yet, so that one of them is refused.
	f.hub("", "init", "-name", hubAddr.String())
	f.startHub()
	for line := range strings.Lines(f.hub("", "show")) {
		if _, pin, ok := strings.Cut(line, "pin "); ok {
			f.pin = strings.TrimSpace(pin)
		}
	}
	f.hub("", "authority", "add", "fleet", f.authority())
	step("the hub serves")
	f.each(func(b *box) {
		if err := b.configure(); err != nil {
			t.Errorf("%s: %v", b.name, err)
			return
		}
		b.serve()
		b.fleet("name "+b.name, "remote-management ssh", "lease licenses", "call-records")
	})
	step("the boxes are configured")
	berlin.fleet("hub "+hubAddr.String(), "pin "+f.pin)
	berlin.state("refused")
	for _, b := range f.boxes {
		f.hub(b.says("show fleet key"), "box", "add")
	}
	berlin.fleet("shutdown")
	berlin.state("off")
	f.each(func(b *box) {
		b.fleet("hub "+hubAddr.String(), "pin "+f.pin, "no shutdown")
		b.state("connected")
	})
	step("the boxes are connected")

	// Each by ssh, with the box's own account and host key.
	credentials := filepath.Join(t.TempDir(), "anna.hub")
	if err := os.WriteFile(credentials, []byte(f.hub("", "operator", "add", "anna")), 0o600); err != nil {
		t.Fatal(err)
	}
	command := filepath.Join(f.bin, "hub") + " connect -operator " + credentials + " %h"
	f.each(func(b *box) {
		out, err := f.in(f.net, "", "ssh", "-F", "none", "-i", f.ssh, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
			"-o", "ProxyCommand="+command, "anna@"+b.name, "show fleet")
		if err != nil || !strings.Contains(out, "Name: "+b.name) || !strings.Contains(out, "State: connected") {
			t.Errorf("ssh to %s: %v\n%s", b.name, err, out)
		}
	})
	step("ssh has reached all of them")

	// Two licenses for three boxes, of which each has four of its own.
	for _, kind := range []license.Kind{license.SIPSessions, license.SRTPChannels} {
		f.hub("", "license", "add", f.license(kind, 2))
	}
	first := berlin.calls(4)
	// The news of the licenses may have it ask before the fourth call: then it is lent one, and the other with the fifth call.
	f.until("berlin is lent what it may need", func() bool { return berlin.leased() > 0 })
	first = append(first, berlin.calls(1)...)
	f.until("berlin is lent the whole pool", func() bool { return berlin.leased() == 2 })
	second := paris.calls(4)
	step("nine calls")
	out, err := paris.ring()
	if err != nil {
		t.Fatal(err)
	}
	// The pool is used up. A call waits for its hub, 300 ms at most, unless that has just said so.
	e, err := out.WaitOver(f.ctx)
	if err != nil || e.Code != 503 {
		t.Errorf("the call without a license: %+v, %v", e, err)
	}
	step(fmt.Sprintf("a call beyond the pool got 503 after %v", e.After.Round(time.Millisecond)))
	berlin.hangUp(first)
	berlin.fleet("no lease licenses")
	f.until("berlin has given back what it was lent", func() bool { return berlin.leased() == 0 })
	f.until("paris gets what berlin has returned", func() bool {
		p, err := paris.call()
		if err == nil {
			second = append(second, p)
		}
		return err == nil
	})
	step("what berlin has returned serves paris")

	// The hub is killed. Calls go on, with the licenses that were lent, until there are none: which is an alarm.
	f.killHub()
	step("the hub is killed")
	used := map[*box]int{berlin: 4, paris: 1, rome: 4} // paris has five
	f.each(func(b *box) {
		calls := b.calls(used[b])
		f.until("the alarm of "+b.name, func() bool { return strings.Contains(b.says("show alarms"), usedUp) })
		b.hangUp(calls)
		if b == paris {
			b.hangUp(second[4:])
		}
	})
	step("each has used up its licenses")
	f.startHub()
	f.each(func(b *box) { b.state("connected") })
	step("the hub is back")

	// A site loses its way out, and its box is killed. The hub hears of it later.
	paris.says("copy running-config startup-config")
	paris.away(true)
	paris.hangUp(second[:4])
	paris.hangUp(paris.calls(1))
	if _, err := paris.sbc.WaitRecords(f.ctx, paris.rung); err != nil {
		t.Fatal(err)
	}
	if err := paris.sbc.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := paris.sbc.Start(f.ctx); err != nil {
		t.Fatal(err)
	}
	paris.away(false)
	step("paris was away")

	// rome is revoked. What it had to tell is there before.
	f.hasAll(rome)
	revoked := time.Now()
	f.hub("", "box", "revoke", "rome")
	f.until("rome is cut off", func() bool { return !strings.Contains(rome.says("show fleet"), "State: connected") })
	step(fmt.Sprintf("rome was cut off %v after the command began", time.Since(revoked).Round(10*time.Millisecond)))
	rome.state("refused")

	f.hasAll(berlin)
	f.hasAll(paris)
	step("the hub has all")
}

// usedUp is the alarm that a pool is used up.
const usedUp = "licenses-used-up"

// hasAll waits until the hub has the records of all calls of a box and its alarm of the used-up pool, and wants each record and alarm once and in its
// order.
func (f *fleet) hasAll(b *box) {
	f.t.Helper()
	var want, got []string
	f.until("the calls of "+b.name, func() bool {
		want, got = nil, nil
		for _, c := range shown[view.Call](f, "calls", b) {
			got = append(got, c.Record.ID)
		}
		records, err := b.sbc.Records(f.ctx) // after those of the hub, which has no others
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range records {
			want = append(want, r.ID)
		}
		return len(got) >= max(len(want), b.rung)
	})
	if !slices.Equal(got, want) {
		f.t.Errorf("%s has the calls %q, the hub %q", b.name, want, got)
	}
	var alarms []view.Alarm // they come apart from the calls
	f.until("the alarms of "+b.name, func() bool {
		alarms = shown[view.Alarm](f, "alarms", b)
		return slices.ContainsFunc(alarms, func(m view.Alarm) bool {
			return m.Alarm.Alarm == usedUp && m.Alarm.Subject == string(license.SIPSessions)
		})
	})
	ids, raised := map[string]bool{}, map[string]bool{}
	for _, m := range alarms {
		a := m.Alarm
		k := a.Alarm + " " + a.Subject
		if ids[a.ID] || (a.What == "raised") == raised[k] {
			f.t.Errorf("%s: %s is %s, and was raised: %v; %+v", b.name, k, a.What, raised[k], a)
		}
		ids[a.ID], raised[k] = true, a.What != "cleared"
	}
}

// shown is what a command of the hub shows of a box.
func shown[T any](f *fleet, command string, b *box) (list []T) {
	f.t.Helper()
	for line := range strings.Lines(f.hub("", command, "-json", "-last", "10000", "-box", b.name)) {
		var x T
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			f.t.Fatalf("hub %s: %v: %s", command, err, line)
		}
		list = append(list, x)
	}
	return list
}
