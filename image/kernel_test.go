package image

import (
	"regexp"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

// offset asks the time server and returns by how much the clock was off.
func (e *emulated) offset() time.Duration {
	e.t.Helper()
	e.run("clock sync")
	text := e.run("show sntp-client")
	m := regexp.MustCompile(`offset (\S+)`).FindStringSubmatch(text)
	if m == nil {
		e.t.Fatalf("no offset in\n%s", text)
	}
	d, err := time.ParseDuration(m[1])
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

// keepsTime checks what becomes of the kernel's clock: a little is taken out gradually, much at once when it is ordered.
func keepsTime(t *testing.T, e *emulated, server *lab.NTP) {
	t.Helper()
	const little, much = 300 * time.Millisecond, 20 * time.Second
	server.Lie(little)
	first := e.offset()
	if first < little/2 {
		t.Errorf("the clock is %v off, and should be %v", first, little)
	}
	// The loop of the kernel takes out a sixteenth of what is left each second, and so must not be where it should be at once.
	last := e.offset()
	if last < first/3 {
		t.Errorf("the clock jumps: %v off, and then %v", first, last)
	}
	for end := time.Now().Add(patience); last > first/2; last = e.offset() {
		if time.Now().After(end) {
			t.Fatalf("slewing: %v off, and after %v %v", first, patience, last)
		}
	}
	server.Lie(much)
	before := e.offset()
	if after := e.offset(); before < much/2 || after.Abs() > 500*time.Millisecond {
		t.Errorf("a step by command: %v off, and then %v", before, after)
	}
	server.Lie(0)
	e.offset()
	if after := e.offset(); after.Abs() > 500*time.Millisecond {
		t.Errorf("a step back: %v off", after)
	}
}

// startsAt checks from which time the clock of a box without a battery went on: one that it had saved.
func startsAt(e *emulated, earliest time.Time) {
	e.t.Helper()
	text := e.run("show log 200 raw")
	m := regexp.MustCompile(`clock was behind, set forward"? time="?(\S+?Z)`).FindStringSubmatch(text)
	if m == nil {
		e.t.Fatalf("the clock was not behind:\n%s", text)
	}
	if at, err := time.Parse(time.RFC3339Nano, m[1]); err != nil || at.Before(earliest) {
		e.t.Errorf("the clock went on at %s, want %s or later (%v)", m[1], earliest, err)
	}
}

// saysWhatItLacks configures what the kernel of this image cannot do: it is taken, and said.
func saysWhatItLacks(e *emulated) {
	e.t.Helper()
	for _, line := range []string{"configure", "context ip ROUTER", "routing-table SECOND", "route 0.0.0.0/0 gateway 192.168.1.254",
		"context ip ROUTER", "interface if_eth00", "use routing-table SECOND", "context ip ROUTER", "interface if_voice", "ipaddress v 10.20.0.1/24",
		"port ethernet 0 0", "vlan 20", "bind interface ROUTER if_voice", "no shutdown", "end"} {
		e.run(line)
	}
	e.again("show config problems", `routing-table SECOND: the kernel of this image has one routing table only`)
	e.again("show config problems", `port ethernet 0 0 vlan 20: the kernel of this image has no VLANs \(8021q\)`)
	e.again("show ip interface", `eth00\s+up\s+192\.168\.1\.1/24`)
}
