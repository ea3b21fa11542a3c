package pcapng

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	pbx   = netip.MustParseAddrPort("192.0.2.100:5060")
	box   = netip.MustParseAddrPort("192.0.2.1:5060")
	hub   = netip.MustParseAddrPort("[2001:db8::5061]:5061")
	inner = netip.MustParseAddrPort("[2001:db8::1]:40000")
	begun = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
)

// request is a message with a body of so many lines.
func request(method, callID string, lines int) []byte {
	body := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 8\r\n" + strings.Repeat("a=x:0123456789\r\n", lines)
	return []byte(method + " sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.100;branch=z9hG4bK" + callID + "\r\nFrom: <sip:b@192.0.2.100>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: " + callID +
		"\r\nCSeq: 1 " + method + "\r\nContent-Type: application/sdp\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// capture writes messages of both transports and both families, one of them with so many lines.
func capture(t *testing.T, lines int) string {
	t.Helper()
	var b bytes.Buffer
	w := New(&b, "Viaduct SBC v1", "call 1\x1b[2J of \u202eevil")
	a, c := w.Interface("if_pbx\n", "leg A"), w.Interface("if_teams", "leg B")
	w.Packet(Packet{Interface: a, Time: begun, From: pbx, To: box, Payload: request("INVITE", "one", 0)})
	w.Packet(Packet{Interface: c, Time: begun.Add(time.Millisecond), From: inner, To: hub, Sent: true, Stream: true, Payload: request("INVITE", "two", lines), Comment: "deciphered\r\n\x07"})
	w.Packet(Packet{Interface: c, Time: begun.Add(2 * time.Millisecond), From: hub, To: inner, Stream: true, Payload: request("UPDATE", "two", 1)})
	w.Packet(Packet{Interface: c, Time: begun.Add(3 * time.Millisecond), From: inner, To: hub, Sent: true, Stream: true, Payload: request("BYE", "two", 2)})
	cut := request("INFO", "one", 100)
	w.Packet(Packet{Interface: a, Time: begun.Add(4 * time.Millisecond), From: box, To: pbx, Sent: true, Payload: cut[:300], Length: len(cut)})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// tshark prints fields of every packet.
func tshark(t *testing.T, file string, fields ...string) string {
	t.Helper()
	args := []string{"-n", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=;"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return string(out)
}

func TestTsharkReadsIt(t *testing.T) {
	const good, unknown = "1", "3" // a checksum
	const received, sent = "0x00000001", "0x00000002"
	want := []string{
		"1795348800.123456789;192.0.2.100;;INVITE;one;" + good + ";" + good + ";;;;if_pbx\\x0a;" + received,
		"1795348800.124456789;;2001:db8::1;;;;;" + good + ";;deciphered\\x0d\\x0a\\x07;if_teams;" + sent,
		"1795348800.124456789;;2001:db8::1;INVITE;two;;;" + good + ";;;if_teams;" + sent,
		"1795348800.125456789;;2001:db8::5061;UPDATE;two;;;" + good + ";;;if_teams;" + received,
		"1795348800.126456789;;2001:db8::1;BYE;two;;;" + good + ";;;if_teams;" + sent,
		"1795348800.127456789;192.0.2.1;;INFO;;" + good + ";" + unknown + ";;;;if_pbx\\x0a;" + sent,
	}
	got := tshark(t, capture(t, 1100), "frame.time_epoch", "ip.src", "ipv6.src", "sip.Method", "sip.Call-ID", "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "tcp.analysis.flags",
		"frame.comment", "frame.interface_name", "frame.packet_flags_direction")
	if got != strings.Join(want, "\n")+"\n" {
		t.Errorf("it reads\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestSngrepReadsIt(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.pcap")
	const lines = 500 // it takes messages of 10 KiB at most
	if text, err := exec.Command("sngrep", "-N", "-I", capture(t, lines), "-O", out).CombinedOutput(); err != nil {
		t.Fatalf("sngrep: %v: %s", err, text)
	}
	if got := tshark(t, out, "sip.Method"); got != "INVITE\nINVITE\nUPDATE\nBYE\nINFO\n" {
		t.Errorf("sngrep takes %q", got)
	}
}
