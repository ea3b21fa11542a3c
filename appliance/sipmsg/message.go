package sipmsg

import (
	"strings"
)

// Header is one header field. A name or value with CR, LF or NUL is refused when it is sent.
type Header struct{ Name, Value string }

// NameAddr is the value of From, To, P-Asserted-Identity and their like.
type NameAddr struct {
	Name   string // display name, unquoted
	URI    string // byte for byte
	Params string // header parameters, without the leading semicolon
}

// User returns the user part of the URI; of a tel URI its number.
func (n NameAddr) User() string { return SplitURI(n.URI).User }

// Host returns the host of the URI.
func (n NameAddr) Host() string { return SplitURI(n.URI).Host }

// Param returns a header parameter, "" when it is missing or has no value.
func (n NameAddr) Param(name string) string {
	v, _ := Param(n.Params, name)
	return v
}

// URI are the parts of a sip, sips or tel URI.
type URI struct {
	Scheme string // lower case
	User   string // without password; the number of a tel URI
	Host   string // an IPv6 address without brackets
	Port   uint16 // 0: none given
	Params string // without the leading semicolon
}

// Param returns a URI parameter, for example "transport"; names are compared without case.
func (u URI) Param(name string) (value string, ok bool) { return Param(u.Params, name) }

// SplitURI takes a URI apart. Parts that cannot be read stay empty.
func SplitURI(s string) URI {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return URI{}
	}
	u := URI{Scheme: strings.ToLower(scheme)}
	if u.Scheme == "tel" {
		u.User, u.Params, _ = strings.Cut(rest, ";")
		return u
	}
	if rest, _, _ = strings.Cut(rest, "?"); u.Scheme != "sip" && u.Scheme != "sips" {
		return u
	}
	// The user part may hold semicolons ("sip:+49;ext=1@host"), so the last @ comes first.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		u.User, _, _ = strings.Cut(rest[:i], ":")
		rest = rest[i+1:]
	}
	host, params, _ := strings.Cut(rest, ";")
	u.Params = params
	u.Host, u.Port = splitHostPort(strings.TrimSpace(host))
	return u
}

// ParseList reads the values of header fields that hold lists of name-addr.
func ParseList(values []string) []NameAddr {
	var list []NameAddr
	for _, v := range values {
		for _, s := range SplitList(v) {
			list = append(list, ParseNameAddr(s))
		}
	}
	return list
}
