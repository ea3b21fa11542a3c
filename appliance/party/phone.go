package party

import (
	"cmp"
	"slices"
	"strconv"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sipmsg"
)

// OfPhone puts into the properties of a call who calls: the identity of a phone of interface i, as the configuration has it. What the
// phone itself says it is counts for nothing, only that it does not want to be seen.
//
// Identity is "" for an emergency call of a phone that has not shown who it is. Its word in From is better than nothing then, for who
// calls back; it goes on as unscreened.
func OfPhone(cfg *config.Config, i *config.SIPInterface, identity string, c *route.Call) {
	c.CallingSI = ""
	l := i.Phones.In(cfg)
	if l == nil {
		return
	}
	if identity == "" {
		identity, c.CallingSI = ParseAddress(c.CallingURI).User, unscreened
	}
	n := slices.IndexFunc(l.Identities, func(x *config.Identity) bool { return x.Name == identity })
	if n < 0 {
		return
	}
	x := l.Identities[n]
	c.CallingE164 = Caller(x)
	c.CallingURI = Address{User: x.Name, Host: ourHost(cfg, i, i.Gateway.In(cfg))}.String()
	c.CallingName = x.DisplayName
}

// Caller is the number as which the phones of an identity call.
func Caller(x *config.Identity) string { return cmp.Or(x.CallerID, x.Name) }

// Forwarded is the forwarding of a call by the phones of an identity, after those before it. Rang: not before they have rung.
func (d Diverted) Forwarded(x *config.Identity, rang bool) Diverted {
	n := Diverted{Times: d.Times + 1, By: Caller(x), Reason: "unconditional"}
	if rang {
		n.Reason = "no-answer"
	}
	return n
}

// Target is where a 3xx sends a call: the user part of its Contact with the highest q, of equals the first. A host that a phone names
// means nothing to others. "": it names nobody.
func Target(sw *config.Switch, contacts []string) (uri, number string) {
	best := -1.0
	for _, n := range sipmsg.ParseList(contacts) {
		if q := quality(n.Param("q")); q > best && Number(sw, n.URI) != "" {
			best, uri, number = q, PlainURI(sw, n.URI), Number(sw, n.URI)
		}
	}
	return uri, number
}

// quality is the value of a q parameter (RFC 3261 20.10): 1 unless it says less.
func quality(text string) float64 {
	if q, err := strconv.ParseFloat(text, 64); err == nil && q >= 0 && q <= 1 {
		return q
	}
	return 1
}
