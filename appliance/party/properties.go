package party

import (
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipmsg"
)

const (
	restricted = "restricted"        // calling-pi of a caller who does not want to be seen
	asserted   = "network-provided"  // calling-si of one whose number the peer vouches for
	unscreened = "user-not-screened" // and of one whose number it does not
)

// Properties are the properties of a call in its INVITE, as the interface's `address-translation incoming-call` lines say. Without a
// line, the called number comes from the Request-URI, called-uri is the To-URI, and the caller is the From header.
func Properties(sw *config.Switch, i *config.SIPInterface, r *sipmsg.Request) route.Call {
	c := route.Call{
		CalledE164:  Number(sw, r.URI),
		CalledURI:   PlainURI(sw, r.To.URI),
		CalledName:  r.To.Name,
		CallingE164: Number(sw, r.From.URI),
		CallingURI:  PlainURI(sw, r.From.URI),
		CallingName: r.From.Name,
		CallingIP:   r.Source.Addr().String(),
	}
	if ParseAddress(c.CalledURI).User == "" {
		c.CalledURI = PlainURI(sw, r.URI)
	}
	for _, t := range i.Incoming {
		from, ok := headerAddress(r, t.Header)
		if !ok {
			continue
		}
		switch {
		case strings.HasSuffix(string(t.Property), "-uri"):
			c.Set(t.Property, PlainURI(sw, from.URI))
		case strings.HasSuffix(string(t.Property), "-name"):
			c.Set(t.Property, from.Name)
		case strings.HasSuffix(string(t.Property), "-e164"):
			c.Set(t.Property, Number(sw, from.URI))
		}
	}
	if n := Number(sw, r.URI); !i.Phones.IsZero() && sw.IsEmergency(n) {
		c.CalledE164, c.CalledURI = n, PlainURI(sw, r.URI) // it was let in for that number, whatever its other headers say
	}
	present(sw, i, r, &c)
	return c
}

// present finds out whether the caller may be shown, and who an anonymous caller is.
//
// Privacy: id only asks that P-Asserted-Identity stays inside (RFC 3325 9.3). A PBX that sends it with a real From means the whole
// number. Teams sends it with every call once ForwardPAI is on (teams.md A.34), so there it means nothing. With `privacy`, the
// number that the peer vouches for stands for an anonymous caller: it finds the account, and only peers with `privacy` of their own
// are told.
func present(sw *config.Switch, i *config.SIPInterface, r *sipmsg.Request, c *route.Call) {
	wishes := strings.Split(strings.ToLower(strings.Join(r.Headers("Privacy"), ";")), ";")
	for n := range wishes {
		wishes[n] = strings.TrimSpace(wishes[n])
	}
	anonymous := isAnonymous(r.From)
	if anonymous || slices.Contains(wishes, "user") || slices.Contains(wishes, "id") && !i.Teams() {
		c.CallingPI = restricted
	}
	sure, known := headerAddress(r, "p-asserted-identity-header")
	if !known {
		if sure, known = headerAddress(r, "p-preferred-identity-header"); known && i.Privacy {
			c.CallingSI = unscreened
		}
	} else if i.Privacy {
		c.CallingSI = asserted
	}
	if !anonymous {
		return
	}
	known = known && i.Privacy && !isAnonymous(sure)
	if c.CallingE164 == Number(sw, r.From.URI) { // not from another header, as a line may say
		c.CallingE164 = ""
		if known {
			c.CallingE164 = Number(sw, sure.URI)
		}
	}
	if known && c.CallingURI == PlainURI(sw, r.From.URI) {
		c.CallingURI = PlainURI(sw, sure.URI)
	}
}

// isAnonymous reports whether an address is that of an anonymous caller, by RFC 3323 4.1.1.3 or by the habits of peers.
func isAnonymous(n sipmsg.NameAddr) bool {
	user, host := strings.ToLower(n.User()), strings.ToLower(n.Host())
	return user == "" || user == "anonymous" || user == "restricted" || user == "unavailable" || strings.HasSuffix(host, ".invalid")
}

// headerAddress is the address in a header that the configuration names, for example "from-header".
func headerAddress(r *sipmsg.Request, header string) (sipmsg.NameAddr, bool) {
	switch header {
	case "from-header":
		return r.From, true
	case "to-header":
		return r.To, true
	case "request-uri":
		return sipmsg.NameAddr{URI: r.URI}, true
	case "p-asserted-identity-header":
		if list := r.Identities(); len(list) > 0 {
			return list[0], true
		}
	case "p-preferred-identity-header":
		if list := list(r, "P-Preferred-Identity"); len(list) > 0 {
			return list[0], true
		}
	}
	return sipmsg.NameAddr{}, false
}
