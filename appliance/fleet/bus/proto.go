package bus

import (
	"encoding/json"
	"fmt"
	"strings"

	"viaduct/appliance/natswire"
	"viaduct/appliance/printable"
)

// hubInfo is what of INFO matters. Other nodes that it names are not asked: who is asked is configured.
type hubInfo struct {
	Nonce      string `json:"nonce"`
	MaxPayload int    `json:"max_payload"`
	Headers    bool   `json:"headers"`
}

// hello is CONNECT.
type hello struct {
	Verbose      bool   `json:"verbose"`
	Pedantic     bool   `json:"pedantic"`
	NKey         string `json:"nkey"`
	Signature    string `json:"sig"`
	Name         string `json:"name"`
	Lang         string `json:"lang"`
	Version      string `json:"version"`
	Protocol     int    `json:"protocol"`
	Headers      bool   `json:"headers"`
	NoResponders bool   `json:"no_responders"` // an answer with 503 when nobody listens
}

// parseInfo reads INFO.
func parseInfo(text string) (i hubInfo, err error) {
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return i, natswire.Garbled("an INFO that is none")
	}
	return i, nil
}

// denied finds what an error denies: "" when it is none of that kind.
func denied(text string) (what, subject string) {
	for _, what := range []string{"Subscription to ", "Publish to "} {
		rest, ok := cutPrefixFold(text, "Permissions Violation for "+what)
		if !ok {
			continue
		}
		if _, rest, ok = strings.Cut(rest, `"`); ok {
			subject, _, _ = strings.Cut(rest, `"`)
		}
		return what, subject
	}
	return "", ""
}

// refuses tells the errors with which a hub does not take a key, or takes it no longer.
func refuses(text string) bool {
	for _, start := range []string{"Authorization Violation", "User Authentication Expired", "User Authentication Revoked", "Account Authentication Expired"} {
		if _, ok := cutPrefixFold(text, start); ok {
			return true
		}
	}
	return false
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// fits tells whether a subject is one of those that a pattern with * and > stands for.
func fits(pattern, subject string) bool {
	for {
		p, patterns, more := strings.Cut(pattern, ".")
		s, subjects, mores := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return s != ""
		case s == "", p != "*" && p != s:
			return false
		case !more || !mores:
			return more == mores
		}
		pattern, subject = patterns, subjects
	}
}

// checkSubject keeps what would be another line of the protocol out of it.
func checkSubject(subject string) error {
	if subject == "" || len(subject) > 1024 || strings.ContainsFunc(subject, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return fmt.Errorf("%q is no subject", printable.Text(subject))
	}
	return nil
}
