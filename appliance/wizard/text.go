package wizard

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"viaduct/appliance/cli"
)

// list splits what was typed as several values.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}

// network reads an address with its length, or with its mask: 192.168.1.1/24, 192.168.1.1/255.255.255.0, 192.168.1.1 255.255.255.0.
func network(text string) (netip.Prefix, bool) {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "/", " ")), "/")
	head, mask, _ := strings.Cut(text, "/")
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
		bits, ones := m.As4(), 0
		for _, b := range bits {
			for ; b&0x80 != 0; b <<= 1 {
				ones++
			}
		}
		if netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), ones).Masked().Addr() != m {
			return netip.Prefix{}, false
		}
		text = head + "/" + strconv.Itoa(ones)
	}
	p, err := netip.ParsePrefix(text)
	return p, err == nil && p.Addr().Is4()
}

// ipv4 reads an address.
func ipv4(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	return a, err == nil && a.Is4()
}

// usable reports whether a host can have the address.
func usable(a netip.Addr) bool {
	return a.Is4() && a.As4()[0] != 0 && a.As4()[0] < 224 && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// hostIn reports whether the address of p is that of a host: neither the network itself nor its broadcast address.
func hostIn(p netip.Prefix) bool {
	if p.Bits() < 8 || p.Bits() > 30 {
		return false
	}
	last := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return p.Addr() != p.Masked().Addr() && p.Addr() != netip.AddrFrom4(last)
}

// hostName reports whether text is a host name of letters, digits and hyphens in labels.
func hostName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != "" // no name ends in a number (RFC 1123 2.1)
}

// digits reports whether text is one to most digits.
func digits(text string, most int) bool {
	return text != "" && len(text) <= most && strings.Trim(text, "0123456789") == ""
}

// between reads a number.
func between(text string, low, high int) (int, bool) {
	text = strings.TrimSpace(text)
	if !digits(text, 6) {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && low <= n && n <= high
}

// plain reports whether text has characters alone that everybody sees, and that a line takes between quotes.
func plain(text string) bool {
	return cli.Legible(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
