package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/lab/entra"
)

// forking is a Kamailio as a PBX whose group has two members: a Teams user and a desk phone.
const forking = `#!KAMAILIO
debug=2
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:PBX:5060
mpath="MODULES"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "corex.so"
request_route {
	if (is_method("ACK|CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (!is_method("INVITE")) {
		sl_send_reply("405", "Method Not Allowed");
		exit;
	}
	xlog("L_INFO", "forked at $TV(s).$TV(u)\n");
	$ru = "sip:user.01@BOX:5060";
	append_branch("sip:desk@DESK:5060");
	t_on_reply("BRANCH");
	t_relay();
}
onreply_route[BRANCH] {
	xlog("L_INFO", "answer $rs of $si at $TV(s).$TV(u)\n");
}
`

// TestTheDeskPhoneRingsOn has Kamailio ring a Teams user who does not want to be disturbed, and a baresip on his desk, at the same time. The box
// refuses its branch at once, the caller does not learn of it, and the desk phone rings until it is answered.
func TestTheDeskPhoneRingsOn(t *testing.T) {
	s := set(t)
	microsoft, err := entra.New(entra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.world.WAN.Listen(s.ctx, "tcp4", netip.AddrPortFrom(lab.GatewayAddr, 443).String())
	if err != nil {
		t.Fatal(err)
	}
	microsoft.Serve(l)
	t.Cleanup(func() {
		if err := microsoft.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{entra.Login, entra.Graph} {
		s.world.DNS.Set(name, lab.GatewayAddr)
	}
	const application = "11111111-2222-3333-4444-555555555555"
	app := microsoft.Register(application)
	app.AddSecret("s3cret~", time.Now().Add(time.Hour))
	app.Grant(entra.UsersRead, entra.PresenceRead)
	microsoft.AddUser(entra.User{UPN: "anna@contoso.com"})
	microsoft.SignIn("anna@contoso.com", entra.State{Availability: "DoNotDisturb", Activity: "DoNotDisturb"})
	if out, err := s.box.Paste(s.ctx, fmt.Sprintf(`enable
import pki:certificate/MICROSOFT
%sconfigure
presence-service TEAMS
  tenant contoso.onmicrosoft.com
  application %s
  secret s3cret~
  poll-interval 5
  user anna@contoso.com identity user.01
context cs SWITCH
  interface sip if_sip_starface
    use presence-service TEAMS
end
`, lab.CertificatePEM(microsoft.Root().Raw), application)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.until("the box knows that anna does not want to be disturbed", func() bool {
		text, err := s.box.Exec(s.ctx, "show presence anna@contoso.com")
		return err == nil && strings.Contains(text, "do-not-disturb")
	})

	desk := s.phone(s.world.LAN, lab.LANPeerAddr, 500, "<sip:desk@"+lab.LANPeerAddr.String()+">;regint=0;answermode=manual;audio_codecs=pcma", "")
	s.listens(desk.Process, "udp", netip.AddrPortFrom(lab.LANPeerAddr, 5060))
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules/tm.so")
	if len(modules) == 0 {
		t.Fatal("install Debian's package kamailio")
	}
	s.file("kamailio.cfg", strings.NewReplacer("PBX", lab.StarfaceAddr.String(), "BOX", lab.BoxLAN.String(), "DESK", lab.LANPeerAddr.String(), "MODULES", filepath.Dir(modules[0])+"/").Replace(forking))
	pbx := s.start(s.world.LAN, s.command("kamailio", "-f", "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", s.dir, "-w", s.dir))
	s.listens(pbx, "udp", netip.AddrPortFrom(lab.StarfaceAddr, 5060))
	said := func() string {
		var all string
		logs, _ := filepath.Glob(filepath.Join(s.dir, "kamailio-*.log"))
		for _, name := range logs {
			text, _ := os.ReadFile(name)
			all += string(text)
		}
		return all
	}

	caller, err := s.world.LAN.ListenPacket(s.ctx, "udp4", netip.AddrPortFrom(lab.StarfaceAddr, 5080).String())
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	to, err := s.world.LAN.Dial(s.ctx, "udp4", "", netip.AddrPortFrom(lab.StarfaceAddr, 5060).String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	body := "v=0\r\no=- 1 1 IN IP4 192.168.1.100\r\ns=-\r\nc=IN IP4 192.168.1.100\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
	invite := strings.ReplaceAll(`INVITE sip:group@192.168.1.100 SIP/2.0
Via: SIP/2.0/UDP 192.168.1.100:5080;branch=z9hG4bKfork
Max-Forwards: 70
From: <sip:+4930123456@192.168.1.100>;tag=caller
To: <sip:group@192.168.1.100>
Call-ID: fork
CSeq: 1 INVITE
Contact: <sip:+4930123456@192.168.1.100:5080>
Content-Type: application/sdp
`, "\n", "\r\n") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := caller.WriteTo([]byte(invite), to.RemoteAddr()); err != nil {
		t.Fatal(err)
	}
	// next is the code of the next answer that the caller gets.
	next := func() int {
		t.Helper()
		if end, ok := s.ctx.Deadline(); ok {
			_ = caller.SetReadDeadline(end)
		}
		b := make([]byte, 4096)
		n, _, err := caller.ReadFrom(b)
		if err != nil {
			t.Fatalf("the caller gets no answer: %v\n%s", err, said())
		}
		code, err := strconv.Atoi(strings.Fields(string(b[:n]))[1])
		if err != nil {
			t.Fatalf("the caller gets %q", b[:n])
		}
		return code
	}
	code := next()
	for code == 100 {
		code = next()
	}
	if code != 180 {
		t.Fatalf("the caller gets %d\n%s", code, said())
	}
	refused := regexp.MustCompile(`(?s)forked at (\d+)\.(\d+)\n.*answer 486 of ` + regexp.QuoteMeta(lab.BoxLAN.String()) + ` at (\d+)\.(\d+)\n`)
	var at []string
	s.until("the box refuses its branch", func() bool {
		at = refused.FindStringSubmatch(said())
		return at != nil
	})
	var micros [4]int
	for n := range micros {
		if micros[n], err = strconv.Atoi(at[n+1]); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("486 came %v after Kamailio had forked", time.Duration((micros[2]-micros[0])*1_000_000+micros[3]-micros[1])*time.Microsecond)

	desk.does("accept", "")
	for code = next(); code < 200; code = next() {
	}
	if code != 200 {
		t.Errorf("the caller gets %d after the desk phone was answered", code)
	}
	records, err := s.box.WaitRecords(s.ctx, 1)
	if err != nil || records[0].Code != 486 || !strings.Contains(fmt.Sprintf("%+v", records[0]), "do-not-disturb in Teams") {
		t.Errorf("the record: %v\n%+v", err, records)
	}
}
