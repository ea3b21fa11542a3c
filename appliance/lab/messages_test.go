package lab

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A call that was hunted is drawn with all its legs while it goes on and afterwards, and other tools read what is exported of it.
func TestTheMessagesOfACall(t *testing.T) {
	const primary, secondary = "if_sip_microsoft-directrouting-primary", "if_sip_microsoft-directrouting-secondary"
	r := runBox(t, Setup{})
	r.Teams.Hubs[0].Behave(Behaviour{Code: 503, Reason: "Service Unavailable", RetryAfter: 1})
	out, in := r.fromPBX(Ring{})
	calls, err := r.box.Exec(r.ctx, "show calls")
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`(?m)^[0-9a-f]{8}\b`).FindString(calls)
	ladder := func(args string, want ...string) string {
		text, err := r.box.Exec(r.ctx, "show calls ladder "+id+args)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("the ladder has no %q:\n%s", w, text)
			}
		}
		return text
	}
	ladder("", "  A  if_sip_starface with 192.168.1.100:5060/udp\n", "  B  "+primary+" with 52.114.75.24:5061/tls\n", "|<-503 Service Unava--|", "|--INVITE +SDP--", "|<-180 Ringing--", "|<-200 OK +SDP--")
	if _, err := r.box.Exec(r.ctx, "debug capture "+id); err != nil {
		t.Fatal(err)
	}
	wantTone(t, "the caller", out.Audio, TeamsTone)
	wantTone(t, "the callee", in.Audio, StarfaceTone)
	r.end(out, in)
	r.ended()
	if _, err := r.box.WaitRecords(r.ctx, 1); err != nil {
		t.Fatal(err)
	}
	ladder("", "  B  "+primary+" with 52.114.75.24:5061/tls\n", "  C  "+secondary+" with 52.114.76.76:5061/tls\n", "|<-503 Service Unava--|", "|--BYE--", "|<-200 BYE--")
	if text := ladder(" detail", "| INVITE sip:", "| a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxx"); keys.MatchString(text) {
		t.Errorf("the ladder shows a key:\n%s", text)
	}

	c := r.box.Console(r.ctx)
	c.Stdin = strings.NewReader("enable\nexport call " + id + "\n")
	var file bytes.Buffer
	c.Stdout = &file
	if err := c.Run(); err != nil {
		t.Fatalf("export: %v: %q", err, file.String())
	}
	if keys.Match(file.Bytes()) {
		t.Error("the capture holds a key")
	}
	name := filepath.Join(t.TempDir(), "call.pcapng")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	spoken(t, name, "192.168.1.100", "52.")
	if _, err := r.box.Exec(r.ctx, "no debug capture"); err != nil {
		t.Fatal(err)
	}
	legs := dissect(t, name)
	delete(legs, "voice")
	for leg, want := range map[string][]string{
		"if_sip_starface": {"INVITE audio RTP/AVP", "100 INVITE", "180 INVITE", "200 INVITE audio RTP/AVP", "ACK", "BYE", "200 BYE"},
		primary:           {"INVITE audio RTP/SAVP", "100 INVITE", "503 INVITE", "ACK"},
		secondary:         {"INVITE audio RTP/SAVP", "100 INVITE", "180 INVITE", "200 INVITE audio RTP/SAVP", "ACK", "BYE", "200 BYE"},
	} {
		got := legs[leg]
		answered := slices.Index(got, "ACK") + 1 // from then on Teams is offered a new key, sooner or later
		got = append(got[:answered:answered], slices.DeleteFunc(slices.Clone(got[answered:]), func(m string) bool { return !strings.Contains(m, "BYE") })...)
		if !slices.Equal(got, want) {
			t.Errorf("tshark reads of %s\n%q, want\n%q", leg, got, want)
		}
	}
	if len(legs) != 3 {
		t.Errorf("tshark reads %d interfaces: %q", len(legs), legs)
	}
	text, err := exec.CommandContext(r.ctx, "sngrep", "-N", "-I", name, "-O", name+".sngrep").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "Dialog count: 3") {
		t.Errorf("sngrep: %v: %q", err, text)
	}
}

// spoken checks that a capture holds voice in A-law from hosts whose addresses begin so.
func spoken(t *testing.T, capture string, from ...string) {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", capture, "-o", "rtp.heuristic_rtp:TRUE", "-Y", `frame.interface_name == "voice" && rtp.p_type == 8`, "-T", "fields", "-e", "ip.src").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for _, f := range from {
		if n := strings.Count("\n"+string(out), "\n"+f); n < 10 {
			t.Errorf("%d packets of voice from %s...:\n%s", n, f, out)
		}
	}
}

// keys finds what a key of SRTP looks like, unless it is masked.
var keys = regexp.MustCompile(`inline:[^x]`)

// dissect returns what tshark reads of each interface of a capture, in its order and without repetitions: "200 INVITE audio RTP/AVP".
func dissect(t *testing.T, capture string) map[string][]string {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", capture, "-T", "fields", "-E", "separator=;", "-e", "frame.interface_name", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "sip.CSeq.method",
		"-e", "sdp.media.media", "-e", "sdp.media.proto", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	legs := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ";")
		if strings.Contains(f[6], "once more") {
			continue
		}
		if f[2] != "" {
			f[1] = f[2] + " " + f[3]
		}
		legs[f[0]] = append(legs[f[0]], strings.TrimSpace(f[1]+" "+strings.TrimSpace(f[4]+" "+f[5])))
	}
	return legs
}
