package call

import (
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipgw"
)

// restricted is the calling-pi of a caller who does not want to be seen.
const restricted = "restricted"

// properties fills the properties of a call from its INVITE, as the interface's `address-translation incoming-call` lines say.
// Without a line, the called number comes from the Request-URI, called-uri is the To-URI, and the caller is the From header
// (trinity.md 2.1).
func properties(i *config.SIPInterface, r *sipgw.Request) route.Call {
	c := route.Call{
		CalledE164:  parseAddress(r.URI).User,
		CalledURI:   r.To.URI,
		CalledName:  r.To.Name,
		CallingE164: r.From.User(),
		CallingURI:  r.From.URI,
		CallingName: r.From.Name,
		CallingIP:   r.Source.Addr().String(),
	}
	if parseAddress(c.CalledURI).User == "" {
		c.CalledURI = r.URI
	}
	for _, t := range i.Incoming {
		from, ok := headerAddress(r, t.Header)
		if !ok {
			continue
		}
		switch {
		case strings.HasSuffix(string(t.Property), "-uri"):
			c.Set(t.Property, from.URI)
		case strings.HasSuffix(string(t.Property), "-name"):
			c.Set(t.Property, from.Name)
		case strings.HasSuffix(string(t.Property), "-e164"):
			c.Set(t.Property, parseAddress(from.URI).User)
		}
	}
	// Privacy: id alone is no wish of the caller: Teams sends it with every call once ForwardPAI is on (teams.md A.34).
	if user := strings.ToLower(r.From.User()); user == "anonymous" || user == "" || strings.HasSuffix(strings.ToLower(r.From.Host()), ".invalid") {
		c.CallingPI = restricted
		if parseAddress(c.CallingURI).User == r.From.User() {
			c.CallingE164 = ""
		}
	}
	return c
}

// headerAddress returns the address in the header that the configuration calls, for example, "from-header".
func headerAddress(r *sipgw.Request, header string) (sipgw.NameAddr, bool) {
	switch header {
	case "from-header":
		return r.From, true
	case "to-header":
		return r.To, true
	case "request-uri":
		return sipgw.NameAddr{URI: r.URI}, true
	case "p-asserted-identity-header":
		if list := r.Identities(); len(list) > 0 {
			return list[0], true
		}
	}
	return sipgw.NameAddr{}, false
}
