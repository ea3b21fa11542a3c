package interop

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"viaduct/appliance/lab"
)

// lamp is a key of a phone with a lamp: none of the three programs has one. It subscribes to the dialogs of another phone.
type lamp struct {
	*setting
	conn net.PacketConn
	at   netip.AddrPort
	box  net.Addr
}

// lamp subscribes at the address of a phone, as its identity.
func (s *setting) lamp(where *lab.Namespace, at netip.Addr, identity, password, watched string) *lamp {
	s.Helper()
	x := &lamp{setting: s, at: netip.AddrPortFrom(at, 5090), box: net.UDPAddrFromAddrPort(netip.AddrPortFrom(lab.BoxLAN, 5060))}
	var err error
	if x.conn, err = where.ListenPacket(s.ctx, "udp4", x.at.String()); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { x.conn.Close() })
	if end, ok := s.ctx.Deadline(); ok {
		_ = x.conn.SetReadDeadline(end)
	}
	uri := "sip:" + watched + "@" + lab.BoxLAN.String()
	subscribe := func(cseq int, more string) {
		x.send(fmt.Sprintf("SUBSCRIBE %[1]s SIP/2.0\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKlamp%[3]d\nMax-Forwards: 70\nFrom: <sip:%[4]s@%[5]s>;tag=lamp\nTo: <%[1]s>\nCall-ID: lamp\n"+
			"CSeq: %[3]d SUBSCRIBE\nContact: <sip:%[4]s@%[2]s>\nEvent: dialog\nAccept: application/dialog-info+xml\nExpires: 600\n%[6]sContent-Length: 0\n\n", uri, x.at, cseq, identity, lab.BoxLAN, more))
	}
	subscribe(1, "")
	m := x.next("SIP/2.0 401 ")
	c, err := digest.ParseChallenge(field(m, "WWW-Authenticate"))
	if err != nil {
		s.Fatalf("%v in %s", err, m)
	}
	credentials, err := digest.Digest(c, digest.Options{Method: "SUBSCRIBE", URI: uri, Username: identity, Password: password, Count: 1})
	if err != nil {
		s.Fatal(err)
	}
	subscribe(2, "Authorization: "+credentials.String()+"\n")
	x.next("SIP/2.0 20")
	return x
}

func (x *lamp) send(m string) {
	x.Helper()
	if _, err := x.conn.WriteTo([]byte(strings.ReplaceAll(m, "\n", "\r\n")), x.box); err != nil {
		x.Fatal(err)
	}
}

// next waits for a message that begins in a way; every NOTIFY on the way is answered.
func (x *lamp) next(begin string) string {
	x.Helper()
	b := make([]byte, 65535)
	for {
		n, _, err := x.conn.ReadFrom(b)
		if err != nil {
			x.Fatalf("no %s: %v", begin, err)
		}
		m := strings.ReplaceAll(string(b[:n]), "\r\n", "\n")
		if strings.HasPrefix(m, "NOTIFY ") {
			x.send(fmt.Sprintf("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\nContent-Length: 0\n\n", field(m, "Via"), field(m, "From"), field(m, "To"), field(m, "Call-ID"), field(m, "CSeq")))
		}
		if strings.HasPrefix(m, begin) {
			return m
		}
	}
}

// field is the first of a header.
func field(m, name string) string {
	for line := range strings.Lines(m) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var (
	early      = regexp.MustCompile(`(?s)<dialog ([^>]*)>.*<state[^>]*>early</state>`)
	dialogIDs  = regexp.MustCompile(`call-id="([^"]+)"`)
	localTags  = regexp.MustCompile(`local-tag="([^"]+)"`)
	remoteTags = regexp.MustCompile(`remote-tag="([^"]+)"`)
)

// rings waits until the other phone rings, and returns what a key under the lamp calls: an address with Replaces (RFC 3891).
func (x *lamp) rings(watched string) string {
	x.Helper()
	for {
		m := x.next("NOTIFY ")
		found := early.FindStringSubmatch(m)
		if found == nil {
			continue
		}
		var parts []string
		for _, what := range []*regexp.Regexp{dialogIDs, localTags, remoteTags} {
			id := what.FindStringSubmatch(found[1])
			if id == nil {
				x.Fatalf("no %v in %s", what, m)
			}
			parts = append(parts, id[1])
		}
		return fmt.Sprintf("sip:%s@%s?Replaces=%s", watched, lab.BoxLAN, url.QueryEscape(parts[0]+";to-tag="+parts[1]+";from-tag="+parts[2]))
	}
}

// The PBX rings phone 22. Linphone, under whose lamp for it a key is pressed, picks the call up; the other phone falls silent.
func TestLinphonePicksUp(t *testing.T) {
	t.Parallel()
	s := office(t)
	s.twinkle22()
	where, at := s.host("ph23", 23)
	linphone := s.linphone(where, tone23, forLinphone+account(0, "23", "vB7-tri-23", "tcp"))
	s.registered("22", "udp")
	s.registered("23", "tcp")
	x := s.lamp(where, at, "23", "vB7-tri-23", "22")
	pbx, err := s.world.Starface.Call(s.ctx, lab.Ring{Account: "user.03"})
	if err != nil {
		t.Fatal(err)
	}
	linphone.does("call " + x.rings("22"))
	linphone.hears(lab.StarfaceTone)
	s.hears("the PBX", pbx, tone23)
	s.says(s.dir, "twinkle-console", "far end cancelled call")
	s.hangup(pbx)
}

// The PBX tells of messages that wait, and baresip, which has subscribed, shows them. (It subscribes over UDP, however it has registered.)
func TestMessagesWait(t *testing.T) {
	t.Parallel()
	s := office(t)
	s.baresip("21@192.168.1.1", "module mwi.so") // as a module it is loaded first: see package events
	s.registered("21", "udp")
	s.says(s.dir, "baresip", "subscribing to messages")
	conn, err := s.world.LAN.ListenPacket(s.ctx, "udp4", netip.AddrPortFrom(lab.StarfaceAddr, 5090).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := "Messages-Waiting: yes\r\nMessage-Account: sip:21@192.168.1.100\r\nVoice-Message: 3/1 (0/0)\r\n"
	m := fmt.Sprintf("NOTIFY sip:21@192.168.1.1 SIP/2.0\nVia: SIP/2.0/UDP 192.168.1.100:5090;branch=z9hG4bKmail\nMax-Forwards: 70\nFrom: <sip:voicemail@192.168.1.100>;tag=mail\n"+
		"To: <sip:21@192.168.1.1>\nCall-ID: mail\nCSeq: 1 NOTIFY\nContact: <sip:voicemail@192.168.1.100:5090>\nEvent: message-summary\nSubscription-State: terminated\n"+
		"Content-Type: application/simple-message-summary\nContent-Length: %d\n\n", len(body))
	if _, err := conn.WriteTo([]byte(strings.ReplaceAll(m, "\n", "\r\n")+body), net.UDPAddrFromAddrPort(netip.AddrPortFrom(lab.BoxLAN, 5060))); err != nil {
		t.Fatal(err)
	}
	s.says(s.dir, "baresip", "Voice-Message: 3/1")
}

// says waits until a program has written a text.
func (s *setting) says(dir, program, text string) {
	s.Helper()
	s.until(program+" says "+text, func() bool { return strings.Contains(s.said(dir, program), text) })
}

// said is what programs of a name have written.
func (s *setting) said(dir, program string) (all string) {
	s.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, program+"-*.log"))
	if err != nil {
		s.Fatal(err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			s.Fatal(err)
		}
		all += string(text)
	}
	return all
}
