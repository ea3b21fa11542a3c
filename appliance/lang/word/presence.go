package word

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// parseTenant accepts the ID of a tenant, or a domain of it.
func parseTenant(w string, _ any) (any, error) {
	if id, err := parseGUID(w, nil); err == nil {
		return id, nil
	}
	if name, err := parseDomain(w, nil); err == nil {
		return name, nil
	}
	return nil, fmt.Errorf("%q is neither the ID of a tenant nor one of its domains, such as contoso.onmicrosoft.com", w)
}

func parseGUID(w string, _ any) (any, error) {
	parts := strings.Split(w, "-")
	good := len(parts) == 5
	for n, size := range [...]int{8, 4, 4, 4, 12} {
		if good {
			_, err := hex.DecodeString(parts[n])
			good = err == nil && len(parts[n]) == size
		}
	}
	if !good {
		return nil, fmt.Errorf("%q is not an ID such as 11111111-2222-3333-4444-555555555555", w)
	}
	return strings.ToLower(w), nil
}

// parseUser accepts the name of a user of Entra: something before one @, and a domain. Case says nothing there.
func parseUser(w string, _ any) (any, error) {
	before, domain, ok := strings.Cut(w, "@")
	strange := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' || r == ',' || r == ';' }
	if !ok || before == "" || domain == "" || len(w) > 254 || strings.Contains(domain, "@") || strings.ContainsFunc(w, strange) {
		return nil, fmt.Errorf("%q is not a user principal name or a mail address, such as anna@contoso.com", w)
	}
	return strings.ToLower(w), nil
}

func identityNames(root, within any) (all []string) {
	for _, l := range holders[location](root, within) {
		for _, i := range l.Identities {
			all = append(all, i.Name)
		}
	}
	return all
}

func parseDay(w string, _ any) (any, error) {
	day, err := time.Parse(time.DateOnly, w)
	if err != nil || day.Year() < 2000 {
		return nil, fmt.Errorf("%q is not a day such as 2027-06-30", w)
	}
	return day, nil
}

func printDay(v any) string {
	if day := v.(time.Time); !day.IsZero() {
		return day.Format(time.DateOnly)
	}
	return ""
}
