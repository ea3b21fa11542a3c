package word

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// parseMAC accepts a hardware address as phones and their labels have it: with colons, hyphens or dots, or in one piece.
func parseMAC(w string, _ any) (any, error) {
	plain := strings.ToLower(strings.NewReplacer(":", "", "-", "", ".", "").Replace(w))
	octets, err := hex.DecodeString(plain)
	if err != nil || len(octets) != 6 || octets[0]&1 != 0 || plain == strings.Repeat("0", 12) {
		return nil, fmt.Errorf("%q is not the hardware address of a phone, such as 00:15:65:aa:bb:cc", w)
	}
	return config.MAC(plain), nil
}

// maxShown limits the characters of a text for displays, which travels in headers of SIP.
const maxShown = 64

func parseShown(w string, _ any) (any, error) {
	if utf8.RuneCountInString(w) > maxShown {
		return nil, fmt.Errorf("a display shows %d characters at most", maxShown)
	}
	return w, nil
}

// parseCaller accepts a number as phones dial it, or in the form of E.164.
func parseCaller(w string, _ any) (any, error) {
	if digits := strings.TrimPrefix(w, "+"); digits == "" || len(digits) > 32 || strings.Trim(digits, "0123456789") != "" {
		return nil, fmt.Errorf("%q is not a number such as +4972115104221 or 21", w)
	}
	return w, nil
}

// parseModel accepts MAKER-MODEL of a known maker.
func parseModel(w string, _ any) (any, error) {
	model := strings.ToLower(w)
	maker, rest, _ := strings.Cut(model, "-")
	odd := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", r) }
	if slices.Contains(config.PhoneMakers, maker) && rest != "" && len(rest) <= 32 && !strings.ContainsFunc(rest, odd) {
		return model, nil
	}
	text := fmt.Sprintf("%q is not a maker and a model, such as yealink-t46s: the makers are %s", w, strings.Join(config.PhoneMakers, ", "))
	if near := cli.Nearest(maker, config.PhoneMakers); len(near) > 0 && near[0] != maker {
		text += "; did you mean " + near[0] + "?"
	}
	return nil, fmt.Errorf("%s", text)
}
