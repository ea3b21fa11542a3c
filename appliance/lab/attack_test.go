package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/api/wire"
	foreign "viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

// A PBX that attacks: control characters, in the clear and in the escapes of URIs, and texts as long as a message may be. The box goes on, shows
// all of it and obeys none of it, and keeps little.
func TestAHostilePBXIsShownAndNotObeyed(t *testing.T) {
	r := runBox(t, Setup{})
	r.suffering = true
	attacker, err := r.LAN.ListenPacket(r.ctx, "udp4", netip.AddrPortFrom(StarfaceAddr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer attacker.Close()
	const escaped = "x%1b%5b2J%0d%0a%20%20fix:%0d%0a%20%20%20%20reload%0d%0a%c2%9b31m%e2%80%ae%ff%00%07"
	raw := "x\x1b[2J\x07\u202e\u009b31m\xff\x7f"
	long := strings.Repeat("y", 20_000)
	var invites []string
	for n, x := range []struct{ name, user, id, extra string }{
		{"Mallory", escaped, "one", ""},
		{`\` + "x" + raw, "mallory", "two", ""},
		{raw, escaped, "three" + raw, "User-Agent: " + raw + "\r\nReason: Q.850;cause=16;text=\"" + raw + "\"\r\n"},
		{long, "mallory", "four", ""},
		{"M", "m", "five", ""},
		{"M", "m", "six" + long, ""},
		{"M", "m", "seven", "User-Agent: " + long + "\r\nReason: SIP;text=\"" + long + "\"\r\n"},
		{"M", "m", "eight\r\n  fix:\r\n    reload", ""},
		{"M\x00", "m", "nine\x00", ""},
	} {
		at := attacker.LocalAddr()
		text := fmt.Sprintf("INVITE sip:user.01@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%d\r\nMax-Forwards: 70\r\nFrom: \"%s\" <sip:%s@192.168.1.100>;tag=%d\r\nTo: <sip:%s@192.168.1.1>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:m@%s>\r\n%sContent-Length: 0\r\n\r\n",
			BoxLAN, at, n, x.name, x.user, n, x.user, x.id, at, x.extra)
		invites = append(invites, text)
	}
	for _, user := range []string{raw, "x\n  fix:\n    reload", long} {
		body, _ := json.Marshal(wire.LoginRequest{User: user, Password: user, TTY: "ssh " + user, Source: "192.0.2.66", Remote: true})
		answer, err := r.box.client.Post("http://box"+wire.PathLogin, "application/json", bytes.NewReader(body))
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(err, answer)
		}
		answer.Body.Close()
	}
	var records []status.Record
	r.wait("the records", func() bool {
		for _, text := range invites { // until the firewall is as the names of the peers have it, none is heard; then a repetition is none
			if _, err := attacker.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.AddrPortFrom(BoxLAN, 5060))); err != nil {
				t.Fatal(err)
			}
		}
		records = nil
		if err := r.status("records?last=100", &records); err != nil {
			t.Fatal(err)
		}
		return len(records) >= 3
	})
	lines := []string{
		"show calls", "show calls history", "show calls history json", "show calls history csv", "show log 500", "show log 500 raw", "show audit", "show bans", "show alarms", "show alarms history",
		"show peer", "show sip registrations", "show sip penalty-box", "show context sip-gateway detail 5", "show calls statistics", "show tech-support", "show call-records",
	}
	for _, x := range records {
		lines = append(lines, "show calls record "+x.ID, "show calls explain "+x.ID)
		if line, err := json.Marshal(x); err != nil || len(line) > 16<<10 {
			t.Errorf("a record of %d octets: %v", len(line), err)
		}
		if _, err := r.box.Exec(r.ctx, "show calls ladder "+x.ID); err == nil {
			lines = append(lines, "show calls ladder "+x.ID, "show calls ladder "+x.ID+" detail")
		}
	}
	marked := 0
	for _, line := range lines {
		text, err := r.box.Exec(r.ctx, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if why := foreign.Page(text); why != "" {
			t.Errorf("%s: the answer %.2000s", line, why)
		}
		if strings.Contains(text, foreign.Mark) {
			marked++
		}
	}
	if marked < 5 {
		t.Errorf("only %d answers show the attack", marked)
	}
	for line := range strings.Lines(r.log.String()) {
		if why := foreign.Line(strings.TrimSuffix(line, "\n")); why != "" || len(line) > 8192 {
			t.Errorf("the log: %d octets: %.500s", len(line), why)
		}
	}
	out, in := r.fromPBX(Ring{}) // the box still works
	r.end(out, in)
}
