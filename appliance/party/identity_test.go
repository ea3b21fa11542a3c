package party

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipmsg"
)

// twoSides has a PBX with accounts and Teams, as in the published set-up.
func twoSides() (cfg *config.Config, pbx, teams *config.SIPInterface) {
	pbx = &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "lan"}, Remote: config.HostPort{Host: "starface.example"}}
	teams = &config.SIPInterface{Context: "SWITCH", Name: "teams", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "wan"}, Privacy: true,
		Remote: config.HostPort{Host: "sip.pstnhub.microsoft.com", Port: 5061}, Local: config.HostPort{Host: "sbc.example", Port: 5062}}
	cfg = config.New()
	cfg.CS = []*config.Switch{{Name: "SWITCH", Enabled: true, NationalPrefix: "0", CountryCode: "49", Interfaces: []*config.SIPInterface{pbx, teams}}}
	cfg.Gateways = []*config.SIPGateway{
		{Name: "lan", Location: []config.Ref[config.Config, config.LocationService]{{Name: "accounts"}}},
		{Name: "wan", Location: []config.Ref[config.Config, config.LocationService]{{Name: "microsoft"}}},
	}
	cfg.Location = []*config.LocationService{
		{Name: "accounts", Domains: []config.Domain{{Index: 1, Host: "starface.example"}}, Identities: []*config.Identity{{Name: "user.01"}}},
		{Name: "microsoft", Domains: []config.Domain{{Index: 1, Host: "microsoft.com"}},
			Groups: []*config.IdentityGroup{{Name: "DEFAULT", IdentitySettings: config.IdentitySettings{UserPhone: true, CallOutbound: &config.CallOutbound{ForceTransport: "tls"}}}}},
	}
	return cfg, pbx, teams
}

// said prints what a peer is told, one line a header.
func said(id Identity) string {
	s := "INVITE " + id.RequestURI.String() + "\nFrom: " + id.From.String() + "\nTo: <" + id.To.String() + ">\nContact: " + id.ContactUser
	for _, h := range id.Headers() {
		s += "\n" + h.Name + ": " + h.Value
	}
	return s
}

// Numbers as a PBX dials them, in the plans of several countries (teams.md A.22, B.4).
func TestNumbersBecomeE164(t *testing.T) {
	germany := &config.Switch{InternationalPrefix: "00", NationalPrefix: "0", CountryCode: "49"}
	america := &config.Switch{InternationalPrefix: "011", NationalPrefix: "1", CountryCode: "1"}
	italy := &config.Switch{CountryCode: "39"} // national numbers keep their zero, so no prefix is configured
	none := &config.Switch{}
	for _, x := range []struct {
		plan          *config.Switch
		dialled, want string
	}{
		{germany, "0711123456", "+49711123456"}, {germany, "0043123456", "+43123456"}, {germany, "+43123456", "+43123456"}, {germany, "222", "222"},
		{germany, "00", "00"}, {germany, "0", "0"}, {germany, "user.01", "user.01"}, {germany, "*21*0711#", "*21*0711#"},
		{america, "12125550100", "+12125550100"}, {america, "01149711123456", "+49711123456"}, {america, "0049711", "0049711"},
		{italy, "0612345", "0612345"}, {italy, "0049711123456", "+49711123456"},
		{none, "0711123456", "0711123456"}, {none, "0049711123456", "+49711123456"},
	} {
		if got := International(x.plan, x.dialled); got != x.want {
			t.Errorf("%s in the plan of +%s: %s, want %s", x.dialled, x.plan.CountryCode, got, x.want)
		}
	}
}

func TestWhoThePeersAreTold(t *testing.T) {
	const uris = ";user=phone;transport=tls"
	for _, x := range []struct {
		why     string
		to      string // interface
		change  func(pbx, teams *config.SIPInterface)
		call    route.Call
		written []config.Property
		want    string
	}{
		{"a call to Teams", "teams", nil, route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingName: "Jürgen"}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Jürgen" <sip:+4930123456@sbc.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930123456
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>`},
		{"numbers as a PBX dials them", "teams", nil, route.Call{CalledE164: "004971234567890", CallingE164: "030123456"}, nil, `
INVITE sip:+4971234567890@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:+4930123456@sbc.example;user=phone>
To: <sip:+4971234567890@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930123456
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>`},
		{"an extension stays one", "teams", nil, route.Call{CalledE164: "+497123222", CallingE164: "221"}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:221@sbc.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: 221
P-Asserted-Identity: <sip:221@sbc.example;user=phone>`},
		{"an anonymous caller with a known number", "teams", nil,
			route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingName: "Secret", CallingPI: restricted, CallingSI: asserted}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Anonymous" <sip:anonymous@anonymous.invalid>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: anonymous
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>
Privacy: id`},
		{"an anonymous caller whom nobody knows", "teams", nil, route.Call{CalledE164: "+497123222", CallingPI: restricted}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Anonymous" <sip:anonymous@anonymous.invalid>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: anonymous
Privacy: id`},
		{"no number at all is anonymous", "teams", nil, route.Call{CalledE164: "+497123222", CallingName: "X"}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Anonymous" <sip:anonymous@anonymous.invalid>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: anonymous
Privacy: id`},
		{"without privacy no number leaves beside From", "teams", func(_, teams *config.SIPInterface) { teams.Privacy = false },
			route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingPI: restricted}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Anonymous" <sip:anonymous@anonymous.invalid>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: anonymous`},
		{"a number that the PBX does not vouch for", "teams", nil,
			route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingSI: unscreened}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:+4930123456@sbc.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930123456
P-Preferred-Identity: <sip:+4930123456@sbc.example;user=phone>`},
		{"the published line for Contact", "teams", func(_, teams *config.SIPInterface) {
			teams.Outgoing = []config.OutgoingTranslation{{Header: "contact-header", Part: "user-part", Fix: "sbc.example"}}
		}, route.Call{CalledE164: "+497123222", CallingE164: "+4930123456"}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:+4930123456@sbc.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: sbc.example
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>`},
		{"a From that a line fixes", "teams", func(_, teams *config.SIPInterface) {
			teams.Outgoing = []config.OutgoingTranslation{{Header: "from-header", Part: "user-part", Fix: "+497123000"}, {Header: "from-header", Part: "host-part", Fix: "other.example"}}
		}, route.Call{CalledE164: "+497123222", CallingE164: "+4930123456"}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:+497123000@other.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930123456
P-Asserted-Identity: <sip:+497123000@other.example;user=phone>`},
		{"a To and a Request-URI that lines take from properties", "teams", func(_, teams *config.SIPInterface) {
			teams.Outgoing = []config.OutgoingTranslation{
				{Header: "to-header", Part: "user-part", Property: config.CallingE164}, {Header: "to-header", Part: "host-part", Property: config.CallingURI},
				{Header: "request-uri", Part: "user-part", Property: config.CallingURI}, {Header: "request-uri", Part: "host-part", Fix: "tenant.example"},
				{Header: "contact-header", Part: "user-part", Property: config.CalledName}, // there is none: the line does nothing
			}
		}, route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingURI: "sip:alice@here.example;x=1"}, nil, `
INVITE sip:alice@tenant.example:5061` + uris + `
From: <sip:+4930123456@sbc.example;user=phone>
To: <sip:+4930123456@here.example;user=phone>
Contact: +4930123456
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>`},
		{"service codes", "teams", nil, route.Call{CalledE164: "*21#", CallingE164: "+4930#1"}, nil, `
INVITE sip:*21%23@sip.pstnhub.microsoft.com:5061` + uris + `
From: <sip:+4930%231@sbc.example;user=phone>
To: <sip:*21%23@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930%231
P-Asserted-Identity: <sip:+4930%231@sbc.example;user=phone>`},
		{"a URI that a mapping wrote last", "teams", nil,
			route.Call{CalledE164: "100", CalledURI: "sip:bob@other.example;x=1", CallingE164: "200", CallingURI: "sip:alice@here.example"},
			[]config.Property{config.CalledE164, config.CalledURI, config.CallingURI}, `
INVITE sip:bob@other.example:5061;transport=tls
From: <sip:alice@here.example>
To: <sip:bob@other.example>
Contact: alice
P-Asserted-Identity: <sip:alice@here.example>`},
		{"a URI that nobody wrote tells nothing of the other side", "teams", nil,
			route.Call{CalledURI: "sip:bob@inner.lan", CalledE164: "bob", CallingE164: "alice", CallingURI: "sip:alice@inner.lan"}, nil, `
INVITE sip:bob@sip.pstnhub.microsoft.com:5061;transport=tls
From: <sip:alice@sbc.example>
To: <sip:bob@sip.pstnhub.microsoft.com>
Contact: alice
P-Asserted-Identity: <sip:alice@sbc.example>`},
		{"the PBX sees the account", "pbx", nil,
			route.Call{CalledE164: "030123456", CallingE164: "+497123222", CallingURI: "sip:user.01@192.0.2.100", CallingName: "Ümit"}, []config.Property{config.CallingURI}, `
INVITE sip:030123456@starface.example
From: "Ümit" <sip:user.01@192.0.2.100>
To: <sip:030123456@starface.example>
Contact: user.01`},
		{"the account of a caller who hides", "pbx", func(pbx, _ *config.SIPInterface) { pbx.Privacy = true },
			route.Call{CalledE164: "030123456", CallingE164: "+497123222", CallingURI: "sip:user.01@starface.example", CallingName: "Ümit", CallingPI: restricted}, nil, `
INVITE sip:030123456@starface.example
From: "Anonymous" <sip:user.01@starface.example>
To: <sip:030123456@starface.example>
Contact: user.01
P-Asserted-Identity: <sip:+497123222@starface.example>
Privacy: id`},
		{"an account of another PBX is none", "pbx", nil, route.Call{CalledE164: "222", CallingE164: "+497123222", CallingURI: "sip:user.01@elsewhere.example"}, nil, `
INVITE sip:222@starface.example
From: <sip:+497123222@starface.example>
To: <sip:222@starface.example>
Contact: +497123222`},
		{"a Latin-1 name with a control character", "teams", nil, route.Call{CalledE164: "+497123222", CallingE164: "+4930123456", CallingName: "M\xfcller\t\"x\""}, nil, `
INVITE sip:+497123222@sip.pstnhub.microsoft.com:5061` + uris + `
From: "Müller\"x\"" <sip:+4930123456@sbc.example;user=phone>
To: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone>
Contact: +4930123456
P-Asserted-Identity: <sip:+4930123456@sbc.example;user=phone>`},
	} {
		cfg, pbx, teams := twoSides()
		if x.change != nil {
			x.change(pbx, teams)
		}
		i := map[string]*config.SIPInterface{"pbx": pbx, "teams": teams}[x.to]
		resolved := func(host string) []netip.Addr {
			if host == "starface.example" {
				return []netip.Addr{netip.MustParseAddr("192.0.2.100")}
			}
			return nil
		}
		if got := said(Identify(cfg, i, &route.Attempt{Interface: i.ID(), Call: x.call, Written: x.written}, resolved)); got != strings.TrimPrefix(x.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", x.why, got, x.want)
		}
	}
}

func TestWhatAnINVITETellsOfItsCaller(t *testing.T) {
	for _, x := range []struct {
		why, iface, headers       string
		number, uri, name, pi, si string
	}{
		{"From", "pbx", "From: \"Bob\" <sip:030123456@pbx>;tag=1", "030123456", "sip:030123456@pbx", "Bob", "", ""},
		{"From without brackets", "pbx", "f: sip:030123456@pbx;tag=1", "030123456", "sip:030123456@pbx", "", "", ""},
		{"visual separators", "pbx", "From: <sip:+49(30)123-45.6@pbx;user=phone>;tag=1", "+49301234" + "56", "sip:+4930123456@pbx;user=phone", "", "", ""},
		{"a tel URI", "pbx", "From: <tel:+49-30-123456;phone-context=x>;tag=1", "+4930123456", "tel:+4930123456;phone-context=x", "", "", ""},
		{"an escaped number", "pbx", "From: <sip:%2B4930123%23@pbx>;tag=1", "+4930123#", "sip:%2B4930123%23@pbx", "", "", ""},
		{"anonymous", "pbx", "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1", "", "sip:anonymous@anonymous.invalid", "Anonymous", restricted, ""},
		{"restricted", "pbx", "From: <sip:Restricted@pbx>;tag=1", "", "sip:Restricted@pbx", "", restricted, ""},
		{"unavailable", "pbx", "From: <sip:unavailable@pbx>;tag=1", "", "sip:unavailable@pbx", "", restricted, ""},
		{"a number at nobody's host", "pbx", "From: <sip:1@anonymous.invalid>;tag=1", "", "sip:1@anonymous.invalid", "", restricted, ""},
		{"no user part", "pbx", "From: <sip:pbx>;tag=1", "", "sip:pbx", "", restricted, ""},
		{"anonymous, the number is not asked for", "pbx", "From: <sip:anonymous@anonymous.invalid>;tag=1\nP-Asserted-Identity: <sip:+4930123456@pbx>",
			"", "sip:anonymous@anonymous.invalid", "", restricted, ""},
		{"anonymous with a number inside", "teams", "From: <sip:anonymous@anonymous.invalid>;tag=1\nP-Asserted-Identity: <sip:+4930123456@pbx>\nPrivacy: id",
			"+4930123456", "sip:+4930123456@pbx", "", restricted, asserted},
		{"Privacy of a PBX with a real From", "pbx", "From: <sip:030123456@pbx>;tag=1\nPrivacy: id", "030123456", "sip:030123456@pbx", "", restricted, ""},
		{"Privacy: id of Teams means nothing", "teams", "From: <sip:+497123222@sip.pstnhub.microsoft.com>;tag=1\nP-Asserted-Identity: <sip:+497123222@x>\nPrivacy: id",
			"+497123222", "sip:+497123222@sip.pstnhub.microsoft.com", "", "", asserted},
		{"Privacy: user does", "teams", "From: <sip:+497123222@sip.pstnhub.microsoft.com>;tag=1\nPrivacy: critical;user", "+497123222", "sip:+497123222@sip.pstnhub.microsoft.com", "", restricted, ""},
		{"Privacy: none", "pbx", "From: <sip:030123456@pbx>;tag=1\nPrivacy: none", "030123456", "sip:030123456@pbx", "", "", ""},
		{"an identity that is not vouched for", "teams", "From: <sip:+497123222@x>;tag=1\nP-Preferred-Identity: <sip:+497123222@x>", "+497123222", "sip:+497123222@x", "", "", unscreened},
	} {
		_, pbx, teams := twoSides()
		i := map[string]*config.SIPInterface{"pbx": pbx, "teams": teams}[x.iface]
		r := request(t, x.headers)
		c := Properties(&config.Switch{}, i, r)
		if got, want := []string{c.CallingE164, c.CallingURI, c.CallingName, c.CallingPI, c.CallingSI}, []string{x.number, x.uri, x.name, x.pi, x.si}; strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q", x.why, got, want)
		}
	}
}

func TestLinesChooseTheHeader(t *testing.T) {
	_, pbx, _ := twoSides()
	pbx.Incoming = []config.IncomingTranslation{{Property: config.CallingE164, Header: "p-asserted-identity-header"}, {Property: config.CallingName, Header: "p-asserted-identity-header"},
		{Property: config.CalledE164, Header: "to-header"}, {Property: config.CallingURI, Header: "p-asserted-identity-header"}}
	c := Properties(&config.Switch{}, pbx, request(t, "From: <sip:anonymous@anonymous.invalid>;tag=1\nP-Asserted-Identity: \"Real, Name\" <sip:+4930123456@pbx>"))
	if c.CallingE164 != "+4930123456" || c.CallingName != "Real, Name" || c.CalledE164 != "+49711" || c.CallingURI != "sip:+4930123456@pbx" || c.CallingPI != restricted {
		t.Errorf("%+v", c)
	}
}

func TestWhoForwardedTheCall(t *testing.T) {
	for _, x := range []struct {
		why, headers string
		want         string // Diversion that the other side is told
		times        int
	}{
		{"nobody", "", "", 0},
		{"History-Info of a call that went straight", "History-Info: <sip:+491@x>;index=1", "", 0},
		{"as Teams says it", "HISTORY-INFO: <sip:+497123222@sip.pstnhub.microsoft.com;user=phone?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%20Temporarily%22>;index=1.1",
			"<sip:+497123222@sbc.example>;reason=unconditional;counter=1", 1},
		{"busy, two steps", "History-Info: <sip:+491@x?Reason=SIP%3Bcause%3D486>;index=1, <sip:+492@x?Reason=SIP%3Bcause%3D408&Privacy=history>;index=1.1, <sip:+493@x>;index=1.1.1",
			"<sip:+492@sbc.example>;reason=no-answer;counter=2;privacy=full", 2},
		{"as RFC 7044 says it", "History-Info: <sip:+491@x>;index=1\nHistory-Info: <sip:+492@x;cause=486>;index=1.1;mp=1", "<sip:+491@sbc.example>;reason=user-busy;counter=1", 1},
		{"Diversion", "Diversion: \"Bob\" <sip:222@pbx>;reason=user-busy;counter=2;privacy=off, <sip:221@pbx>;reason=no-answer", "<sip:222@sbc.example>;reason=user-busy;counter=3", 3},
		{"Diversion without parameters", "Diversion: <tel:+49-30-1>", "<sip:+49301@sbc.example>;reason=unknown;counter=1", 1},
		{"nonsense", "History-Info: ;;index=,<>\nDiversion: ", "", 0},
	} {
		o := DivertedOf(&config.Switch{}, request(t, x.headers))
		got := ""
		for _, h := range o.header("sbc.example", false) {
			got = h.Value
		}
		if got != x.want || o.Times != x.times {
			t.Errorf("%s: %q %d, want %q %d", x.why, got, o.Times, x.want, x.times)
		}
	}
}

// request is an INVITE with these headers.
func request(t *testing.T, headers string) *sipmsg.Request {
	t.Helper()
	if !strings.Contains(headers, "From:") && !strings.Contains(headers, "f:") {
		headers = "From: <sip:030123456@pbx>;tag=1\n" + headers
	}
	m := "INVITE sip:+49711@sbc.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100;branch=z9hG4bK1\nTo: <sip:+49711@sbc.example>\nCall-ID: 1\nCSeq: 1 INVITE\nContact: <sip:a@b>\n" +
		strings.TrimSuffix(headers, "\n") + "\n\n"
	r, err := sipmsg.ParseRequest([]byte(strings.ReplaceAll(m, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
