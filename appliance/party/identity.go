package party

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipmsg"
)

// Identity is the caller and the called in the headers of an INVITE.
type Identity struct {
	RequestURI, To Address
	From           sipmsg.NameAddr
	ContactUser    string // escaped
	Account        string // identity whose credentials answer a challenge, "" for none
	Asserted       string // P-Asserted-Identity, "" for none
	Preferred      string // P-Preferred-Identity, "" for none
	Private        bool   // Privacy: id
}

// Headers are the headers that name the caller, apart from From.
func (id Identity) Headers() (list []sipmsg.Header) {
	if id.Asserted != "" {
		list = append(list, sipmsg.Header{Name: "P-Asserted-Identity", Value: id.Asserted})
	}
	if id.Preferred != "" {
		list = append(list, sipmsg.Header{Name: "P-Preferred-Identity", Value: id.Preferred})
	}
	if id.Private {
		list = append(list, sipmsg.Header{Name: "Privacy", Value: "id"})
	}
	return list
}

// Identify writes the identity for the peer behind interface i, from the properties that routing left. Resolved gives the addresses
// of a name without waiting: a mapping table may name the PBX by its address.
//
// A caller whose URI is an account of that peer is shown as this account, because the peer knows callers by it (teams.md B.3). For
// any other caller, and for the called party, the property counts that a mapping wrote last: number or URI.
func Identify(cfg *config.Config, i *config.SIPInterface, a *route.Attempt, resolved func(string) []netip.Addr) Identity {
	sw, gw, c := cmp.Or(cfg.SwitchOf(i), &config.Switch{}), i.Gateway.In(cfg), &a.Call
	user := ParseAddress(c.CallingURI)
	settings, account := account(cfg, gw, user, resolved)

	called := party(a, a.Called(), config.CalledURI, c.CalledE164, c.CalledURI)
	caller := party(a, a.Calling(), config.CallingURI, c.CallingE164, "")
	for _, p := range []*Address{&called, &caller} {
		if settings.UserPhone {
			p.User = International(sw, p.User)
		}
		if settings.UserPhone && IsNumber(p.User) {
			p.Params = ";user=phone"
		}
	}

	var id Identity
	id.To, id.RequestURI = called, called
	if called.Host == "" {
		host := i.Remote.Host
		if !i.Phones.IsZero() { // whose contacts stand in Request-URIs; in To the box has the name that they have registered with
			host = ourHost(cfg, i, gw)
		}
		id.To.Host, id.RequestURI.Host = host, host
	}
	id.To.Port, id.RequestURI.Port = 0, i.Remote.Port
	if settings.CallOutbound != nil && settings.CallOutbound.ForceTransport != "" {
		id.RequestURI.Params += ";transport=" + settings.CallOutbound.ForceTransport
	}

	if caller.Host == "" {
		caller.Host = ourHost(cfg, i, gw)
	}
	caller.Port = 0
	from := caller
	if account {
		if c.CallingE164 != "" { // the number that P-Asserted-Identity gives
			caller = Address{User: c.CallingE164, Host: ourHost(cfg, i, gw), Params: caller.Params}
		}
		from, id.Account = Address{User: user.User, Host: user.Host}, user.User
	}
	contact := from.User
	private := c.CallingPI == restricted || from.User == ""
	translate(i, c, &id, &from, &contact)

	if who := caller; i.Privacy && caller.User != "" {
		if !account {
			who.User, who.Host = from.User, from.Host // as the translations have made them
		}
		if c.CallingSI == unscreened {
			id.Preferred = "<" + who.String() + ">"
		} else {
			id.Asserted = "<" + who.String() + ">"
		}
	}
	id.From = sipmsg.NameAddr{Name: displayName(c.CallingName), URI: from.String()}
	if private {
		id.Private = i.Privacy
		id.From.Name = "Anonymous"
		if !account {
			// RFC 3323 4.1.1.3. The account of a PBX stays visible: without it the PBX does not know whose call this is.
			id.From.URI = "sip:anonymous@anonymous.invalid"
			if contact == from.User {
				contact = "anonymous"
			}
		}
	}
	id.ContactUser = escapeUser(contact)
	return id
}

// Calling is the user part by which an attempt names the caller.
func Calling(a *route.Attempt) string {
	return party(a, a.Calling(), config.CallingURI, a.Call.CallingE164, a.Call.CallingURI).User
}

// Withheld reports whether a caller does not want to be seen.
func Withheld(c *route.Call) bool { return c.CallingPI == restricted }

// Called is the user part by which an attempt names the called party.
func Called(a *route.Attempt) string {
	return party(a, a.Called(), config.CalledURI, a.Call.CalledE164, a.Call.CalledURI).User
}

// party is one of the two parties: its number, or its URI if a mapping wrote that last. The host of a URI counts only if it was
// written: a host that one peer has used means nothing to the other.
func party(a *route.Attempt, stands, uri config.Property, number, otherwise string) Address {
	if stands == uri && slices.Contains(a.Written, uri) {
		return ParseAddress(a.Call.Get(uri))
	}
	if number == "" {
		number = ParseAddress(otherwise).User
	}
	return Address{User: number}
}

// displayName makes a name fit for a header: UTF-8 (RFC 3261 25.1; old PBXs send Latin-1), without control characters.
func displayName(name string) string {
	if !utf8.ValidString(name) {
		latin := make([]rune, len(name))
		for i := range len(name) {
			latin[i] = rune(name[i])
		}
		name = string(latin)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name))
}

// translate applies the interface's `address-translation outgoing-call` lines.
func translate(i *config.SIPInterface, c *route.Call, id *Identity, from *Address, contact *string) {
	for _, t := range i.Outgoing {
		value := t.Fix
		if value == "" {
			value = c.Get(t.Property)
			if a := ParseAddress(value); strings.HasSuffix(string(t.Property), "-uri") {
				value = a.User
				if t.Part == "host-part" {
					value = a.Host
				}
			}
		}
		if value == "" {
			continue
		}
		switch t.Header + " " + t.Part {
		case "contact-header user-part":
			*contact = value
		case "from-header user-part":
			from.User = value
		case "from-header host-part":
			from.Host = value
		case "to-header user-part":
			id.To.User = value
		case "to-header host-part":
			id.To.Host = value
		case "request-uri user-part":
			id.RequestURI.User = value
		case "request-uri host-part":
			id.RequestURI.Host = value
		}
	}
}

// account returns the settings in force towards a gateway. It also reports whether the caller's URI is an account configured there:
// its user is an identity of a location service, and its host is a domain of that service or an address of one.
func account(cfg *config.Config, gw *config.SIPGateway, caller Address, resolved func(string) []netip.Addr) (config.IdentitySettings, bool) {
	var other config.IdentitySettings
	if gw == nil {
		return other, false
	}
	for n, ref := range gw.Location {
		l := ref.In(cfg)
		if l == nil {
			continue
		}
		f, configured := l.Settings(caller.User)
		if configured && f.Inbound == nil && ours(l, caller.Host, resolved) { // a phone of the box is no account at a peer
			return f, true
		}
		if n == 0 {
			other, _ = l.Settings("") // group DEFAULT
		}
	}
	return other, false
}

func ours(l *config.LocationService, host string, resolved func(string) []netip.Addr) bool {
	if l.MatchAny {
		return true
	}
	literal, _ := netip.ParseAddr(host)
	return slices.ContainsFunc(l.Domains, func(d config.Domain) bool {
		return strings.EqualFold(d.Host, host) || literal.IsValid() && slices.Contains(resolved(d.Host), literal)
	})
}

// Host is the host part of our own addresses towards the peer of an interface.
func Host(cfg *config.Config, i *config.SIPInterface) string {
	return ourHost(cfg, i, i.Gateway.In(cfg))
}

// ourHost is the host part of our own addresses towards the peer: `local`, else the first domain, else our address.
func ourHost(cfg *config.Config, i *config.SIPInterface, gw *config.SIPGateway) string {
	if i.Local.Host != "" {
		return i.Local.Host
	}
	if l := i.Phones.In(cfg); l != nil && len(l.Domains) > 0 {
		return l.Domains[0].Host
	}
	if gw != nil {
		for _, ref := range gw.Location {
			if l := ref.In(cfg); l != nil && len(l.Domains) > 0 {
				return l.Domains[0].Host
			}
		}
		for _, g := range gw.Interfaces {
			if a := cfg.Address(g.Bind); a.IsValid() {
				return a.String()
			}
		}
	}
	return "anonymous.invalid"
}
