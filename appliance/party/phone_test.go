package party

import (
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipmsg"
)

// withPhones adds an interface of phones in the network of the PBX, at the same gateway.
func withPhones() (cfg *config.Config, pbx, teams, phones *config.SIPInterface) {
	cfg, pbx, teams = twoSides()
	phones = &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: pbx.Gateway}
	phones.Phones.Name = "desk"
	cfg.CS[0].Interfaces = append(cfg.CS[0].Interfaces, phones)
	in := config.IdentitySettings{Inbound: &config.RegistrationInbound{}}
	cfg.Location = append(cfg.Location, &config.LocationService{Name: "desk", Domains: []config.Domain{{Index: 1, Host: "10.108.2.1"}}, Identities: []*config.Identity{
		{Name: "21", CallerID: "+4972115104221", DisplayName: "Anna", IdentitySettings: in}, {Name: "22", IdentitySettings: in},
	}})
	cfg.Gateways[0].Location = append(cfg.Gateways[0].Location, config.Ref[config.Config, config.LocationService]{Name: "desk"})
	return cfg, pbx, teams, phones
}

// A phone is who the configuration says it is.
func TestAPhoneIsItsIdentity(t *testing.T) {
	cfg, _, _, phones := withPhones()
	for _, x := range []struct {
		why, identity string
		claims, want  route.Call
	}{
		{"it claims to be somebody else", "21", route.Call{CallingE164: "22", CallingURI: "sip:22@x", CallingName: "Boss", CallingSI: asserted},
			route.Call{CallingE164: "+4972115104221", CallingURI: "sip:21@10.108.2.1", CallingName: "Anna"}},
		{"an identity without a number and a name", "22", route.Call{CallingE164: "1", CallingName: "Bert"}, route.Call{CallingE164: "22", CallingURI: "sip:22@10.108.2.1"}},
		{"it wants to be hidden", "21", route.Call{CallingE164: "", CallingPI: restricted},
			route.Call{CallingE164: "+4972115104221", CallingURI: "sip:21@10.108.2.1", CallingName: "Anna", CallingPI: restricted}},
		{"an emergency call of one that has not shown who it is", "", route.Call{CallingE164: "21", CallingURI: "sip:21@10.108.2.1"},
			route.Call{CallingE164: "+4972115104221", CallingURI: "sip:21@10.108.2.1", CallingName: "Anna", CallingSI: unscreened}},
		{"the same of a stranger", "", route.Call{CallingE164: "0711", CallingURI: "sip:0711@x", CallingSI: asserted}, route.Call{CallingE164: "0711", CallingURI: "sip:0711@x", CallingSI: unscreened}},
	} {
		got := x.claims
		if OfPhone(cfg, phones, x.identity, &got); got != x.want {
			t.Errorf("%s: %+v", x.why, got)
		}
	}
}

// A phone may call an emergency number without having shown who it is. Then it calls that number, whatever its other headers and the lines of the
// interface make of them.
func TestAnEmergencyNumberIsCalled(t *testing.T) {
	cfg, _, _, phones := withPhones()
	cfg.CS[0].Emergency = []string{"112"}
	phones.Incoming = []config.IncomingTranslation{{Property: config.CalledE164, Header: "to-header"}}
	for uri, want := range map[string]string{"sip:112@10.108.2.1": "112", "sip:1-1-2@10.108.2.1": "112", "sip:113@10.108.2.1": "0900123"} {
		r := &sipmsg.Request{URI: uri}
		r.To = sipmsg.NameAddr{URI: "sip:0900123@10.108.2.1"}
		c := Properties(cfg.CS[0], phones, r)
		if c.CalledE164 != want || ParseAddress(c.CalledURI).User != want {
			t.Errorf("%s: %q, %q", uri, c.CalledE164, c.CalledURI)
		}
	}
}

// A phone of the box is no account at the PBX, whose gateway it shares; and a phone is told of a caller under the name of the box that it knows.
func TestPhonesAreNoAccounts(t *testing.T) {
	cfg, pbx, _, phones := withPhones()
	c := route.Call{CalledE164: "300", CallingE164: "+4972115104221", CallingURI: "sip:21@10.108.2.1"}
	if got := Identify(cfg, pbx, &route.Attempt{Call: c}, nil); got.Account != "" || got.From.URI != "sip:+4972115104221@starface.example" {
		t.Errorf("towards the PBX: %s", said(got))
	}
	c.CalledE164 = "22"
	got := Identify(cfg, phones, &route.Attempt{Call: c}, nil)
	if got.Account != "" || got.From.URI != "sip:+4972115104221@10.108.2.1" || got.To.String() != "sip:22@10.108.2.1" {
		t.Errorf("towards a phone: %s", said(got))
	}
}

// Of a redirection the user part counts, of the contact that its phone likes best.
func TestWhereARedirectionLeads(t *testing.T) {
	sw := &config.Switch{}
	for _, x := range []struct {
		why, want string
		contacts  []string
	}{
		{"one", "22", []string{"<sip:22@10.108.2.1>"}},
		{"the best of a list and several fields", "24", []string{"<sip:22@a>;q=0.2, <sip:23@a>;q=0.3", "<sip:24@a>;q=0.7"}},
		{"without q it is 1", "23", []string{"<sip:22@a>;q=0.9", "<sip:23@a>"}},
		{"the first of equals", "22", []string{"<sip:22@a>", "<sip:23@a>"}},
		{"a number with signs between its digits", "+49711123", []string{"<tel:+49(711)-123>"}},
		{"a q that is none counts nothing", "22", []string{"<sip:22@a>;q=NaN", "<sip:23@a>;q=9"}},
		{"nobody", "", []string{"<sip:a.example>", "*", "", "<>"}},
		{"nothing", "", nil},
	} {
		if _, got := Target(sw, x.contacts); got != x.want {
			t.Errorf("%s: %q, want %q", x.why, got, x.want)
		}
	}
}

// Who has forwarded a call, and how often that has happened, goes on.
func TestForwardingByPhonesIsCounted(t *testing.T) {
	d := Diverted{Times: 2, By: "1", Private: true}.Forwarded(&config.Identity{Name: "21", CallerID: "+49711"}, true)
	if h := d.header("box", false); len(h) != 1 || h[0].Value != "<sip:+49711@box>;reason=no-answer;counter=3" {
		t.Errorf("%+v", h)
	}
	if d = d.Forwarded(&config.Identity{Name: "22"}, false); d.By != "22" || d.Reason != "unconditional" || d.Times != 4 {
		t.Errorf("%+v", d)
	}
}
