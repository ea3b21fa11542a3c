package interop

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

// phonesOfAnOffice is what the reference configuration gets for phones of its own. 21 to 23 are phones, 7123 is an extension of the PBX, and
// everything else goes to Teams. The PBX reaches phone 22 by the account user.03.
const phonesOfAnOffice = `generate pki:internal-ca name "Office CA"
generate pki:certificate/LAN internal-ca names 192.168.1.1
configure
profile tls LAN
  private-key pki:private-key/LAN
  own-certificate 1 pki:certificate/LAN
authentication-service PHONES
  username 21 password vB7-one-21
  username 22 password vB7-two-22
  username 23 password vB7-tri-23
location-service PHONES
  domain 1 192.168.1.1
  identity-group PHONE
    authentication inbound
      authenticate 1 authentication-service PHONES
    registration inbound
    notify message-waiting
  identity 21 inherits PHONE
    alias name +4972115104221
    alias name +4930123456
    display-name "Anna"
    caller-id +4972115104221
  identity 22 inherits PHONE
    alias name +4972115104222
    alias name user.03
    caller-id +4972115104222
  identity 23 inherits PHONE
    alias name +4972115104223
    caller-id +4972115104223
context cs SWITCH
  mapping-table calling-e164 to calling-uri MT_PHONES_TO_PBX
    map .* to sip:user.01@192.168.1.100
  routing-table called-e164 RT_FROM_PHONES
    route 2[1-3]$ dest-service PHONES
    route 7123 dest-interface if_sip_starface MT_PHONES_TO_PBX
    route default dest-service hg_microsoft-directrouting
  routing-table called-e164 rt_from_teams
    route \+497211510422[1-3] dest-service PHONES
  routing-table called-e164 rt_from_starface
    route user.03 dest-service PHONES
  mapping-table called-e164 to called-e164 MT_PBX_TO_TEAMS
    map 7123 to +497123222
  routing-table called-e164 RT_PHONES_ALONE
    route 7123 dest-service hg_microsoft-directrouting MT_PBX_TO_TEAMS
    route default dest-table RT_FROM_PHONES
  interface sip if_phones
    bind context sip-gateway gw_sip_lan_5060
    use location-service PHONES
    use profile voip pf_voip_starface
    route call dest-table RT_FROM_PHONES
    trust 192.168.1.0/24
  interface sip if_sip_starface
    penalty-box sip-option-trigger interval 5 timeout 3
  service sip-location-service PHONES
    bind location-service PHONES
  survival PBX
    watch interface if_sip_starface
    lost-after 5
    back-after 5
    route from if_phones dest-table RT_PHONES_ALONE
    route from if_sip_microsoft-directrouting-primary dest-service PHONES
context sip-gateway gw_sip_lan_5060
  use profile tls LAN
  bind location-service PHONES
  interface if_gw_sip_lan_5060
    transport-protocol tls 5061
end
`

// office makes networks with a simulated PBX and Teams, and a box that phones may register at.
func office(t *testing.T) *setting {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	dir, state := t.TempDir(), t.TempDir() // before the world, so that they outlive it
	w, err := lab.New(ctx, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("refused by Teams: %v, by the PBX: %v", w.Teams.Refusals(), w.Starface.Refusals())
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &setting{T: t, ctx: ctx, world: w, dir: dir}
	if s.box, err = w.StartBox(ctx, lab.Programs{SBCD: programs.sbcd, Consoled: programs.consoled, State: state, Log: t.Output()}); err != nil {
		t.Fatal(err)
	}
	paste, err := w.Paste(lab.Setup{Registrar: true, Sessions: 20, Channels: 20,
		Configuration: strings.ReplaceAll(lab.Configuration, "    srtp renegotiate-on-connect\n", "")})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.box.Paste(ctx, paste+phonesOfAnOffice); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.until("the gateway of the LAN serves TLS", func() bool {
		text, err := s.box.Exec(ctx, "show context sip-gateway")
		return err == nil && strings.Contains(text, "192.168.1.1:5061")
	})
	for what, wait := range map[string]func() error{
		"Teams": func() error { return w.Teams.WaitActive(ctx) }, "the PBX": func() error { return w.Starface.WaitRegistered(ctx, 3) },
	} {
		if err := wait(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	return s
}

// root writes the root of the internal CA into a file.
func (s *setting) root() string {
	s.Helper()
	text, err := s.box.Exec(s.ctx, "export pki:certificate/internal-ca")
	if err != nil {
		s.Fatal(err)
	}
	return s.file("root.pem", text)
}

// host makes a machine for a phone.
func (s *setting) host(name string, last byte) (*lab.Namespace, netip.Addr) {
	s.Helper()
	at := netip.AddrFrom4([4]byte{192, 168, 1, last})
	n, err := s.world.Host(name, at)
	if err != nil {
		s.Fatal(err)
	}
	return n, at
}

// registered waits until an identity has registered by a transport.
func (s *setting) registered(identity, transport string) {
	s.Helper()
	want := regexp.MustCompile(`(?m)^.*\b` + identity + `\b.*\b` + transport + `\b`)
	last := ""
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("show sip bindings:\n%s", last)
		}
	})
	s.until(identity+" registers by "+transport, func() bool {
		text, err := s.box.Exec(s.ctx, "show sip bindings")
		last = text
		return err == nil && want.MatchString(text)
	})
}

// baresip21 is a phone that registers over TLS and knows our root.
func (s *setting) baresip21() *phone {
	s.Helper()
	return s.baresip("21@192.168.1.1:5061;transport=tls", "sip_cafile "+s.root())
}

// baresip starts one that is phone 21.
func (s *setting) baresip(aor, lines string) *phone {
	s.Helper()
	where, at := s.host("ph21", 21)
	return s.phone(where, at, tone21, "<sip:"+aor+">;auth_pass=vB7-one-21;regint=60;answermode=auto;audio_codecs=pcma;mwi=yes", lines)
}

// twinkle22 registers over UDP.
func (s *setting) twinkle22() *twinkle {
	s.Helper()
	where, _ := s.host("ph22", 22)
	return s.twinkleAt(where, tone22, "user_name=22\nuser_domain=192.168.1.1\nauth_name=22\nauth_pass=vB7-two-22\nregistrar=192.168.1.1\nregister_at_startup=yes\nregistration_time=120\nsip_transport=udp\n")
}

// linphone23 registers over TCP.
func (s *setting) linphone23() *linphone {
	s.Helper()
	where, _ := s.host("ph23", 23)
	return s.linphone(where, tone23, forLinphone+account(0, "23", "vB7-tri-23", "tcp"))
}

// forLinphone does not compare names: its TLS (mbedtls) knows none that are addresses.
const forLinphone = `[sip]
sip_port=5060
sip_tcp_port=-1
sip_tls_port=-1
default_proxy=0
guess_hostname=0
verify_server_certs=1
verify_server_cn=0
root_ca=ROOT
[rtp]
audio_rtp_port=7078
[sound]
echocancellation=0
`

// account is one of Linphone's.
func account(n int, identity, password, transport string) string {
	return fmt.Sprintf(`[proxy_%[1]d]
reg_proxy=<sip:192.168.1.1;transport=%[4]s>
reg_identity=<sip:%[2]s@192.168.1.1>
reg_expires=120
reg_sendregister=1
publish=0
[auth_info_%[1]d]
username=%[2]s
passwd=%[3]s
`, n, identity, password, transport)
}

// three are phones of different makers that have registered by UDP, TCP and TLS.
type three struct {
	*setting
	baresip  *phone    // 21, plays 440 Hz
	twinkle  *twinkle  // 22, plays 1000 Hz
	linphone *linphone // 23, plays 700 Hz
}

func (s *setting) three() *three {
	s.Helper()
	x := &three{setting: s, baresip: s.baresip21(), twinkle: s.twinkle22(), linphone: s.linphone23()}
	s.registered("21", "tls")
	s.registered("22", "udp")
	s.registered("23", "tcp")
	return x
}

const (
	tone21, tone22, tone23 = 440, 1000, 700
)

// hears waits until a simulated peer hears a tone.
func (s *setting) hears(who string, c *lab.Call, hz float64) {
	s.Helper()
	var heard lab.Tone
	var err error
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("%s hears %v at last (%v)", who, heard, err)
		}
	})
	s.until(fmt.Sprintf("%s hears %.0f Hz", who, hz), func() bool {
		heard, err = c.Audio.Listen(s.ctx, 300*time.Millisecond)
		return err == nil && math.Abs(heard.Hz-hz) < 5
	})
}

// idle waits until there are no calls.
func (s *setting) idle() {
	s.Helper()
	if err := s.box.WaitAlloc(s.ctx, "sip-sessions", 0); err != nil {
		s.Fatal(err)
	}
}

// up waits for a call that the box makes to a simulated peer.
func (s *setting) up(who string, next func(context.Context) (*lab.Call, error)) *lab.Call {
	s.Helper()
	c, err := next(s.ctx)
	if err == nil {
		err = c.WaitUp(s.ctx)
	}
	if err != nil {
		s.Fatalf("%s: %v", who, err)
	}
	return c
}

func (s *setting) hangup(c *lab.Call) {
	s.Helper()
	if err := c.Hangup(s.ctx); err != nil {
		s.Error(err)
	}
	s.idle()
}

// Three phones of different makers call each other, hold and transfer.
func TestPhonesCallEachOther(t *testing.T) {
	t.Parallel()
	s := office(t).three()
	both := func() {
		t.Helper()
		s.baresip.hears(tone22)
		s.tone(s.twinkle.recorded, tone21)
	}
	s.baresip.does("dial", "sip:22@192.168.1.1")
	s.is("ringing")
	s.twinkle.does("answer")
	s.is("connected")
	both()
	s.twinkle.does("hold")
	s.is("held")
	s.baresip.silence()
	s.twinkle.does("retrieve")
	s.is("connected")
	both()
	s.twinkle.does("transfer 23")
	s.baresip.hears(tone23)
	s.linphone.hears(tone21)
	s.baresip.does("hangup", "")
	s.idle()
	s.linphone.idle()

	s.linphone.does("call sip:22@192.168.1.1")
	s.is("ringing")
	s.twinkle.does("answer")
	s.linphone.hears(tone22)
	s.tone(s.twinkle.recorded, tone23)
	s.linphone.consults("21")
	s.linphone.hears(tone21)
	s.baresip.hears(tone23)
	s.linphone.does("transfer 2 --to-call 3") // the first was the one that it was transferred to
	both()
	s.twinkle.does("bye")
	s.idle()
}

// Phones call the PBX and Teams, and are called by them. What the others see of a phone is its caller-id.
func TestPhonesCallThePBXAndTeams(t *testing.T) {
	t.Parallel()
	s := office(t).three()
	pbx, err := s.world.Starface.Call(s.ctx, lab.Ring{Account: "user.03"})
	if err != nil {
		t.Fatal(err)
	}
	s.is("ringing")
	s.twinkle.does("answer")
	s.tone(s.twinkle.recorded, lab.StarfaceTone)
	s.hears("the PBX", pbx, tone22)
	s.hangup(pbx)

	teams, err := s.world.Teams.Call(s.ctx, lab.Dial{To: "+4972115104221"})
	if err != nil {
		t.Fatal(err)
	}
	s.is("connected")
	s.baresip.hears(lab.TeamsTone)
	s.hears("Teams", teams, tone21)
	s.baresip.does("hold", "")
	s.is("held")
	s.baresip.does("resume", "")
	s.is("connected")
	s.hears("Teams", teams, tone21)
	s.hangup(teams)

	s.twinkle.does("call +497123222")
	teams = s.up("Teams", s.world.Teams.NextCall)
	if teams.From != "+4972115104222" {
		t.Errorf("Teams is called by %q", teams.From)
	}
	s.tone(s.twinkle.recorded, lab.TeamsTone)
	s.hears("Teams", teams, tone22)
	s.twinkle.does("transfer 21")
	s.is("connected")
	s.baresip.hears(lab.TeamsTone)
	s.hears("Teams", teams, tone21)
	s.hangup(teams)

	s.linphone.does("call sip:7123@192.168.1.1")
	pbx = s.up("the PBX", s.world.Starface.NextCall)
	s.linphone.hears(lab.StarfaceTone)
	s.hears("the PBX", pbx, tone23)
	s.linphone.consults("21")
	s.baresip.hears(tone23)
	s.linphone.does("transfer 1 --to-call 2")
	s.baresip.hears(lab.StarfaceTone)
	s.hears("the PBX", pbx, tone21)
	s.hangup(pbx)
}

// The PBX is switched off: phones call each other and Teams, whose calls for the PBX ring at a phone, and a call that was up goes on. Once the
// PBX is back, calls go there again.
func TestPhonesWithoutThePBX(t *testing.T) {
	t.Parallel()
	s := office(t).three()
	s.baresip.does("dial", "sip:22@192.168.1.1")
	s.is("ringing")
	s.twinkle.does("answer")
	s.is("connected")
	s.baresip.hears(tone22)
	survival := func(state string) {
		t.Helper()
		s.until("survival PBX is "+state, func() bool {
			text, err := s.box.Exec(s.ctx, "show survival")
			return err == nil && strings.Contains(text, "State: "+state+" ")
		})
	}
	survival("well")
	began := time.Now()
	s.world.Starface.SetOffline(true)
	survival("lost")
	t.Logf("lost after %v", time.Since(began).Round(time.Second))
	s.baresip.hears(tone22)
	s.baresip.does("hangup", "")
	s.idle()
	if text, err := s.box.Exec(s.ctx, "show alarms"); err != nil || !strings.Contains(strings.Join(strings.Fields(text), " "), "survival PBX is in force: calls from if_phones go to table RT_PHONES_ALONE") {
		t.Errorf("%v\n%s", err, text)
	}

	s.linphone.does("call sip:21@192.168.1.1")
	s.linphone.hears(tone21)
	s.linphone.does("terminate")
	s.idle()
	s.linphone.idle()
	s.linphone.does("call sip:7123@192.168.1.1") // an extension of the PBX: somebody at Teams takes its calls
	teams := s.up("Teams", s.world.Teams.NextCall)
	s.linphone.hears(lab.TeamsTone)
	s.hangup(teams)
	teams, err := s.world.Teams.Call(s.ctx, lab.Dial{})
	if err != nil {
		t.Fatal(err)
	}
	s.is("connected")
	s.baresip.hears(lab.TeamsTone)
	s.hears("Teams", teams, tone21)

	s.world.Starface.SetOffline(false)
	survival("well")
	s.hears("Teams", teams, tone21)
	s.hangup(teams)
	s.linphone.idle()
	s.linphone.does("call sip:7123@192.168.1.1")
	pbx := s.up("the PBX", s.world.Starface.NextCall)
	s.linphone.hears(lab.StarfaceTone)
	s.hangup(pbx)
}

// An old phone does not know the root of our certificate: the alarm names it by what it has registered with over UDP, and ends once it has
// the root.
func TestAPhoneWithoutOurRoot(t *testing.T) {
	t.Parallel()
	s := office(t)
	where, at := s.host("ph23", 23)
	start := func(root string) *linphone {
		return s.linphone(where, tone23, strings.Replace(forLinphone, "ROOT", root, 1)+account(0, "23", "vB7-tri-23", "udp")+account(1, "22", "vB7-two-22", "tls"))
	}
	alarm := func() string {
		text, err := s.box.Exec(s.ctx, "show alarms")
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ = strings.Cut(text, "phone "+at.String())
		return text
	}
	old := start(s.file("other.pem", string(s.world.PKI.TeamsRootPEM())))
	s.registered("23", "udp")
	began := time.Now()
	s.until("the alarm names the phone", func() bool { return strings.Contains(alarm(), "(Linphonec/5.") })
	t.Logf("told after %v: %s", time.Since(began).Round(100*time.Millisecond), alarm())
	for _, text := range []string{`it does not know the root "Office CA"`, "show pki internal-ca", "register by UDP"} {
		if !strings.Contains(alarm(), text) {
			t.Errorf("%q is missing in %s", text, alarm())
		}
	}
	old.does("quit")
	if err := old.Wait(); err != nil {
		t.Error(err)
	}
	start(s.root())
	s.registered("22", "tls")
	s.until("the alarm ends", func() bool { return alarm() == "" })
}
