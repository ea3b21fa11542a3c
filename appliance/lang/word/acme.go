package word

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"

	"viaduct/appliance/config"
)

// parseDomain accepts a name that a certificate may be for. An authority certifies no address and no name without a dot, and a challenge
// of one box can prove no wildcard.
func parseDomain(w string, _ any) (any, error) {
	if _, err := netip.ParseAddr(w); err == nil {
		return nil, fmt.Errorf("%q is an address: the certificate is for a name", w)
	}
	name, err := parseHost(w, nil)
	if err != nil || !strings.Contains(strings.Trim(w, "."), ".") || strings.Contains(w, "_") {
		return nil, fmt.Errorf("%q is not a name in the public DNS, such as sbc.example.com", w)
	}
	return strings.ToLower(strings.TrimSuffix(name.(string), ".")), nil
}

func parseMail(w string, _ any) (any, error) {
	if a, err := mail.ParseAddress(w); err != nil || a.Address != w || strings.ContainsAny(w, "?%") {
		return nil, fmt.Errorf("%q is not a mail address", w)
	}
	return w, nil
}

func parseDirectory(w string, _ any) (any, error) {
	if w == config.LetsEncrypt {
		return w, nil
	}
	if u, err := url.Parse(w); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(w) > 500 {
		return nil, fmt.Errorf("%q is neither %s nor an https URL", w, config.LetsEncrypt)
	}
	return w, nil
}

func parseHTTPS(w string, _ any) (any, error) {
	if u, err := url.Parse(w); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(w) > 500 {
		return nil, fmt.Errorf("%q is not an https URL, such as https://records.example.com/sbc, without a user and a password", w)
	}
	return w, nil
}

func parseProxy(w string, _ any) (any, error) {
	if u, err := url.Parse(w); err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || len(w) > 500 {
		return nil, fmt.Errorf("%q is not the URL of a proxy, such as http://192.168.1.9:3128; one that asks for a password is not supported", w)
	}
	return w, nil
}
