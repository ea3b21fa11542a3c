package registrar

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

const (
	maxContacts = 16  // in one REGISTER: an identity has no more phones
	maxURI      = 512 // octets of a contact's URI, and of an instance id
	maxID       = 512 // octets of a Call-ID
	maxText     = 128 // octets of a User-Agent that are kept
	anHour      = time.Hour
)

// contact is one Contact of a REGISTER, as it is kept.
type contact struct {
	uri      string // byte for byte
	instance string // +sip.instance (RFC 5626 4.1), as it stands in its quotes; "": none
	reg      string // reg-id
	q        int    // in thousandths
}

// wish is a contact with the lifetime that is asked for: 0 ends it.
type wish struct {
	contact
	lifetime time.Duration
}

// same reports whether two contacts are the same phone: by its instance, if both have one, else by their URIs.
func (c *contact) same(d *contact) bool {
	if c.instance != "" && d.instance != "" {
		return c.instance == d.instance && c.reg == d.reg
	}
	return sameURI(c.uri, d.uri)
}

// bad is the refusal of what cannot be understood.
func bad(why string) *sipmsg.Fault { return &sipmsg.Fault{Code: 400, Reason: why} }

// wishes reads what a REGISTER asks for. all: it is `Contact: *`. The lifetimes are those that are granted: the contact's own, else that of
// Expires, else the default.
func wishes(req *sipmsg.Request, f *config.RegistrationInbound, secure, brief bool) (list []wish, all bool, fault *sipmsg.Fault) {
	general, given := f.Default, false
	if v := req.Headers("Expires"); len(v) > 0 {
		general, given = seconds(v[0]), true
	}
	for _, field := range req.Contacts {
		for _, v := range sipmsg.SplitList(field) {
			if all = all || v == "*"; v == "*" {
				list = append(list, wish{})
				continue
			}
			w, fault := readContact(v, general, secure)
			if fault != nil {
				return nil, false, fault
			}
			if w.lifetime, fault = granted(w.lifetime, f, brief); fault != nil {
				return nil, false, fault
			}
			list = append(list, w)
		}
	}
	switch {
	case all && (len(list) > 1 || !given || general != 0):
		return nil, false, bad("Contact * ends all, alone and with Expires 0") // RFC 3261 10.3, 6
	case all:
		return nil, true, nil
	case len(list) > maxContacts:
		return nil, false, bad("Too many contacts")
	case len(list) == 0 && len(req.Contacts) > 0:
		return nil, false, bad("Contact is empty")
	}
	return list, false, nil
}

// readContact reads one value of Contact.
func readContact(v string, general time.Duration, secure bool) (w wish, fault *sipmsg.Fault) {
	if !sipmsg.SoundAddress(v) {
		return w, bad("Malformed Contact")
	}
	n := sipmsg.ParseNameAddr(v)
	u := sipmsg.SplitURI(n.URI)
	_, methods := u.Param("method")
	switch {
	case len(n.URI) > maxURI || !utf8.ValidString(v) || strings.ContainsFunc(n.URI, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '"' }):
		return w, bad("Malformed Contact")
	case u.Scheme != "sip" && u.Scheme != "sips":
		return w, bad("Contact is no SIP URI")
	case u.Host == "" || !hostLike(u.Host) || methods || strings.Contains(n.URI, "?"):
		// A method or headers would become part of what is sent to the phone.
		return w, bad("Contact cannot be called")
	case u.Scheme == "sips" && !secure:
		return w, bad("Contact wants TLS and came without")
	}
	w = wish{contact{uri: strings.Clone(n.URI), q: 1000}, general}
	if v, ok := sipmsg.Param(n.Params, "expires"); ok {
		w.lifetime = seconds(v)
	}
	if q, err := strconv.ParseFloat(n.Param("q"), 64); err == nil && q >= 0 && q <= 1 {
		w.q = int(q * 1000)
	}
	if w.instance = n.Param("+sip.instance"); w.instance == "" {
		return w, nil // reg-id means nothing without it (RFC 5626 6)
	}
	if w.instance = strings.Clone(w.instance); len(w.instance) > maxURI || strings.ContainsAny(w.instance, "\"\\\r\n\x00") {
		return w, bad("Malformed +sip.instance")
	}
	if reg := n.Param("reg-id"); reg != "" {
		id, err := strconv.ParseUint(reg, 10, 31)
		if err != nil || id == 0 {
			return w, bad("Malformed reg-id")
		}
		w.reg = strconv.FormatUint(id, 10)
	}
	return w, nil
}

// seconds reads a lifetime. What cannot be understood is an hour (RFC 3261 20.10, 20.19).
func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		n, err = 1<<32-1, nil
	}
	if err != nil {
		return anHour
	}
	return time.Duration(n) * time.Second
}

// granted is the lifetime that is given for one that is asked for.
func granted(d time.Duration, f *config.RegistrationInbound, brief bool) (time.Duration, *sipmsg.Fault) {
	switch {
	case d == 0:
		return 0, nil
	case d < f.Min && d < anHour: // RFC 3261 10.3, 7
		return 0, &sipmsg.Fault{Code: 423, Headers: []sipmsg.Header{{Name: "Min-Expires", Value: strconv.Itoa(int(f.Min / time.Second))}}}
	case brief:
		d = min(d, max(f.Min, briefly))
	}
	return min(d, f.Max), nil
}

// hostLike reports whether a host is a name or an address, by its characters.
func hostLike(host string) bool {
	return strings.IndexFunc(host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._:", c))
	}) < 0
}

// unescaped is a part of a URI without what it need not escape; as it is, if it cannot be read.
func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// decisive are the parameters that two equal URIs must both have, or both not; of others, those that both have must be equal.
var decisive = []string{"user", "ttl", "method", "maddr", "transport"}

// sameURI compares two URIs as RFC 3261 19.1.4 says.
func sameURI(a, b string) bool {
	if a == b {
		return true
	}
	x, y := sipmsg.SplitURI(a), sipmsg.SplitURI(b)
	if x.Scheme != y.Scheme || unescaped(x.User) != unescaped(y.User) || !strings.EqualFold(x.Host, y.Host) || x.Port != y.Port {
		return false
	}
	for _, name := range decisive {
		_, hasX := x.Param(name)
		if _, hasY := y.Param(name); hasX != hasY {
			return false
		}
	}
	for p := range strings.SplitSeq(x.Params, ";") {
		name, _, _ := strings.Cut(p, "=")
		v, _ := x.Param(strings.TrimSpace(name))
		if w, both := y.Param(strings.TrimSpace(name)); both && !strings.EqualFold(unescaped(v), unescaped(w)) {
			return false
		}
	}
	return true
}
