package call

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipgw"
)

// identity is what the headers of an INVITE say to a peer.
type identity struct {
	RequestURI, To address
	From           sipgw.NameAddr
	ContactUser    string
	Account        string // identity whose credentials answer a challenge, "" for none
	Asserted       string // P-Asserted-Identity, "" for none
	Private        bool   // Privacy: id
}

// identify writes the identities of a call for the peer behind interface i, from the properties that routing left. Resolved gives
// the addresses of a name without waiting: a mapping table may name the PBX by its address (trinity.md 3, no. 17).
func identify(cfg *config.Config, i *config.SIPInterface, c *route.Call, resolved func(string) []netip.Addr) identity {
	sw, gw := switchOf(cfg, i), i.Gateway.In(cfg)
	caller := parseAddress(c.CallingURI)
	faces, account := account(cfg, gw, caller, resolved)

	called, calling := c.CalledE164, c.CallingE164
	if called == "" {
		called = parseAddress(c.CalledURI).User
	}
	if faces.UserPhone {
		called, calling = normalise(sw, called), normalise(sw, calling)
	}

	var id identity
	params := ""
	if faces.UserPhone && isNumber(called) {
		params = ";user=phone"
	}
	id.To = address{User: called, Host: i.Remote.Host, Params: params}
	id.RequestURI = id.To
	id.RequestURI.Port = i.Remote.Port
	if faces.CallOutbound != nil && faces.CallOutbound.ForceTransport != "" {
		id.RequestURI.Params += ";transport=" + faces.CallOutbound.ForceTransport
	}

	from := address{User: calling, Host: ourHost(cfg, i, gw)}
	if account {
		from, id.Account = address{User: caller.User, Host: caller.Host}, caller.User
	} else if faces.UserPhone && isNumber(calling) {
		from.Params = ";user=phone"
	}
	id.ContactUser = from.User
	anonymous := c.CallingPI == restricted || from.User == ""
	translate(i, c, &id, &from)

	if i.Privacy && from.User != "" {
		id.Asserted = "<" + address{User: from.User, Host: from.Host}.String() + ">"
	}
	id.From = sipgw.NameAddr{Name: c.CallingName, URI: from.String()}
	if anonymous && !account {
		// RFC 3323 4.1.1.3. The account of a PBX stays visible: without it the PBX does not know whose call this is.
		id.From = sipgw.NameAddr{Name: "Anonymous", URI: "sip:anonymous@anonymous.invalid"}
		id.Private = i.Privacy
		if id.ContactUser == from.User {
			id.ContactUser = "anonymous"
		}
	}
	return id
}

// translate applies the interface's `address-translation outgoing-call` lines.
func translate(i *config.SIPInterface, c *route.Call, id *identity, from *address) {
	for _, t := range i.Outgoing {
		value := t.Fix
		if value == "" {
			value = c.Get(t.Property)
			if a := parseAddress(value); strings.HasSuffix(string(t.Property), "-uri") {
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
			id.ContactUser = value
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

// account returns the faces in force towards a gateway, and whether the caller's URI is an account configured there: its user is
// an identity of a location service, its host one of that service's domains or an address of one.
func account(cfg *config.Config, gw *config.SIPGateway, caller address, resolved func(string) []netip.Addr) (config.Faces, bool) {
	var other config.Faces
	if gw == nil {
		return other, false
	}
	for n, ref := range gw.Location {
		l := ref.In(cfg)
		if l == nil {
			continue
		}
		f, configured := l.Faces(caller.User)
		if configured && ours(l, caller.Host, resolved) {
			return f, true
		}
		if n == 0 {
			other, _ = l.Faces("") // group DEFAULT
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

// ourHost is the host part that stands for us towards the peer: `local`, else the first domain, else our own address.
func ourHost(cfg *config.Config, i *config.SIPInterface, gw *config.SIPGateway) string {
	if i.Local.Host != "" {
		return i.Local.Host
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

// normalise writes a number as +E.164 where the context's prefixes say how: 0049… and 0… become +49…; what cannot be told
// (an extension such as 222) stays. 00 is the international prefix unless another one is configured (ITU-T E.164).
func normalise(sw *config.Switch, number string) string {
	if !isNumber(number) || strings.HasPrefix(number, "+") {
		return number
	}
	if rest, ok := strings.CutPrefix(number, cmp.Or(sw.InternationalPrefix, "00")); ok && rest != "" {
		return "+" + rest
	}
	if rest, ok := strings.CutPrefix(number, sw.NationalPrefix); ok && sw.NationalPrefix != "" && sw.CountryCode != "" && rest != "" {
		return "+" + sw.CountryCode + rest
	}
	return number
}

// isNumber reports whether a user part is a telephone number (RFC 3966: digits, a leading +, and the dialable * and #).
func isNumber(user string) bool {
	user = strings.TrimPrefix(user, "+")
	return user != "" && strings.Trim(user, "0123456789*#") == ""
}
