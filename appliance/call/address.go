package call

import (
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
)

// address is one SIP URI in the pieces that the configuration speaks of.
type address struct {
	User, Host string
	Port       uint16
	Params     string // ";user=phone;transport=tls", as printed
}

// String prints the address. A user part may hold digits such as # that RFC 3261 25.1 wants escaped.
func (a address) String() string {
	var b strings.Builder
	b.WriteString("sip:")
	if a.User != "" {
		b.WriteString(escapeUser(a.User))
		b.WriteByte('@')
	}
	b.WriteString(a.Host)
	if a.Port != 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(int(a.Port)))
	}
	return b.String() + a.Params
}

// parseAddress takes the value of a property apart, which may be anything that a mapping table wrote: what is not an address
// has an empty Host.
func parseAddress(uri string) address {
	u := sipmsg.SplitURI(strings.Trim(uri, "<> "))
	user, err := url.PathUnescape(u.User)
	if err != nil {
		user = u.User
	}
	user, _, _ = strings.Cut(user, ";") // user parameters, RFC 3261 19.1.6
	return address{User: user, Host: u.Host, Port: u.Port}
}

// separator is what stands between a URI and one more header in it.
func separator(uri string) string {
	if strings.Contains(uri, "?") {
		return "&"
	}
	return "?"
}

// escapeHeader writes the value of a header inside a URI (RFC 3261 19.1.1).
func escapeHeader(v string) string {
	return strings.NewReplacer("+", "%20", "%2A", "*").Replace(url.QueryEscape(v))
}

// escapeUser writes a user part: unreserved and user-unreserved characters of RFC 3261 25.1 stand, all others are escaped.
func escapeUser(user string) string {
	const stand = "-_.!~*'()&=+$,;?/"
	var b strings.Builder
	for i := range len(user) {
		c := user[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(stand, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		}
	}
	return b.String()
}
