package party

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// Address is a SIP URI in the parts that the configuration names.
type Address struct {
	User, Host string
	Port       uint16
	Params     string // ";user=phone;transport=tls", as printed
}

// String prints the address. A user part may hold digits such as #, which RFC 3261 25.1 wants escaped.
func (a Address) String() string {
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

// ParseAddress splits the value of a property. A mapping table may have written anything there: a value that is no address has an
// empty Host.
func ParseAddress(uri string) Address {
	u := sipmsg.SplitURI(strings.Trim(uri, "<> "))
	user, err := url.PathUnescape(u.User)
	if err != nil {
		user = u.User
	}
	user, _, _ = strings.Cut(user, ";") // user parameters, RFC 3261 19.1.6
	return Address{User: user, Host: u.Host, Port: u.Port}
}

// WithHeader puts one more header into a URI (RFC 3261 19.1.1).
func WithHeader(uri, name, value string) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + name + "=" + escapedHeader.Replace(url.QueryEscape(value))
}

// escapedHeader makes a header of a URI from a form value. It stays, as the other replacers here: to make one costs 5 kB.
var escapedHeader = strings.NewReplacer("+", "%20", "%2A", "*")

// escapeUser writes a user part. It escapes all but the unreserved and user-unreserved characters of RFC 3261 25.1.
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

// Number is the user part of a URI. A telephone number loses the signs that people put between its digits.
func Number(sw *config.Switch, uri string) string {
	u := sipmsg.SplitURI(strings.Trim(uri, "<> "))
	phone, _ := u.Param("user")
	return bare(sw, ParseAddress(uri).User, u.Scheme == "tel" || strings.EqualFold(phone, "phone"))
}

// PlainURI is a URI with its number as Number gives it, so that tables of URIs see plain digits, too.
func PlainURI(sw *config.Switch, uri string) string {
	user, plain := ParseAddress(uri).User, Number(sw, uri)
	raw := sipmsg.SplitURI(strings.Trim(uri, "<> ")).User
	if plain == user || raw == "" {
		return uri
	}
	raw, _, _ = strings.Cut(raw, ";")
	return strings.Replace(uri, raw, escapeUser(plain), 1)
}

// betweenDigits reports whether a sign has no meaning in a number: the separators of RFC 3966 5.1.1 and of keyboards and address
// books (DIN 5008), and any blank, dash or invisible mark, such as marks of direction in a number that was copied out of a
// directory.
func betweenDigits(r rune) bool {
	return r <= unicode.MaxASCII && strings.ContainsRune("-./ \t", r) || r == '\u2212' || // the minus of mathematics
		r > unicode.MaxASCII && unicode.In(r, unicode.Zs, unicode.Pd, unicode.Cf)
}

var oneKindOfBrackets = strings.NewReplacer("[", "(", "]", ")")

// bare takes the number out of a user part. It drops signs between digits, and the trunk zero in brackets behind a country code,
// which is not dialled from abroad: +49 (0) 30, or +49 (030). A user that need not be a number, such as the account 100-1, stays as
// it is. It is a number if it says so (phone), begins with + or a prefix of the context, or is an emergency number.
func bare(sw *config.Switch, user string, phone bool) string {
	n := oneKindOfBrackets.Replace(strings.Map(func(r rune) rune {
		if betweenDigits(r) {
			return -1
		}
		return r
	}, user))
	international := cmp.Or(sw.InternationalPrefix, "00")
	if head, tail, ok := strings.Cut(n, "(0"); ok && dropsZero(noBrackets.Replace(head), international) {
		n = head + tail
	}
	n = noBrackets.Replace(n)
	if n == user || !IsNumber(n) {
		return user
	}
	if _, err := netip.ParseAddr(user); err == nil {
		return user
	}
	if phone || strings.HasPrefix(n, "+") || strings.HasPrefix(n, international) || sw.IsEmergency(n) ||
		sw.NationalPrefix != "" && strings.HasPrefix(n, sw.NationalPrefix) {
		return n
	}
	return user
}

var noBrackets = strings.NewReplacer("(", "", ")", "")

// zeroCountries are the codes of countries whose numbers keep the zero when called from abroad: Italy, San Marino, the Vatican.
var zeroCountries = []string{"39", "378", "379"}

// dropsZero reports whether the digits before a zero in brackets are a country code that drops it.
func dropsZero(head, international string) bool {
	code, ok := strings.CutPrefix(head, "+")
	if !ok {
		code, ok = strings.CutPrefix(head, international)
	}
	return ok && len(code) >= 1 && len(code) <= 3 && !slices.Contains(zeroCountries, code)
}

// International writes a number as +E.164 if the context's prefixes tell how: 0049… and 0… become +49…. Other numbers, such as the
// extension 222, stay. The international prefix is 00 unless another one is configured (ITU-T E.164).
func International(sw *config.Switch, number string) string {
	if !IsNumber(number) || strings.HasPrefix(number, "+") {
		return number
	}
	if rest, ok := strings.CutPrefix(number, cmp.Or(sw.InternationalPrefix, "00")); ok {
		if rest == "" {
			return number
		}
		return "+" + rest
	}
	if rest, ok := strings.CutPrefix(number, sw.NationalPrefix); ok && sw.NationalPrefix != "" && sw.CountryCode != "" && rest != "" {
		return "+" + sw.CountryCode + rest
	}
	return number
}

// IsNumber reports whether a user part is a telephone number (RFC 3966: digits, a leading +, and the dialable * and #).
func IsNumber(user string) bool {
	user = strings.TrimPrefix(user, "+")
	return user != "" && strings.Trim(user, "0123456789*#") == ""
}
