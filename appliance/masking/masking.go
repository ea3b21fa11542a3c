// Package masking hides the secrets of SIP messages before they are shown: keys of media (RFC 4568, RFC 4566 5.12, RFC 4567, RFC 8839),
// digests, from which passwords can be guessed offline, other credentials, passwords in URIs, and dialled digits.
//
// It owns which parts of a message are secret. It keeps nothing and has no goroutines.
package masking

import (
	"regexp"
	"strings"
)

var (
	mediaKey    = regexp.MustCompile(`(?i)(inline:[ \t]*)([^\s|]+)`)
	sessionKey  = regexp.MustCompile(`(?im)^(k=\w+:|a=key-mgmt:|a=ice-pwd:)([^\r\n]*)`)
	credentials = regexp.MustCompile(`(?im)^((?:proxy-|www-)?(?:authorization|authenticate|authentication-info)[ \t]*:)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)`)
	digestParts = regexp.MustCompile(`(?i)\b((?:response|nonce|cnonce|nextnonce|rspauth|opaque)\s*=\s*)("(?:\\.|[^"\\])*"|[^\s,]+)`)
	digestForm  = regexp.MustCompile(`(?i)^\s*(digest\s|\w+\s*=\s*[^=\s])`)
	scheme      = regexp.MustCompile(`^(\s*(?:\w+\s+)?)(\S(?s:.*))`)
	uriPassword = regexp.MustCompile(`(?i)(sips?:[^\s:@<>"]+:)([^\s@<>"]+)@`)
	relayDigit  = regexp.MustCompile(`(?im)^([ \t]*signal[ \t]*=[ \t]*)([^\r\n]+)`)
	dtmfBody    = regexp.MustCompile(`(?im)^(?:content-type|c)[ \t]*:\s*application\s*/\s*dtmf`)
	anyDigit    = regexp.MustCompile(`\S`)
)

// Message replaces the secrets of a message by asterisks.
func Message(message string) string { return mask(message, func(string) string { return "***" }) }

// SameLength replaces the secrets of a message, and digits that were dialled during the call, by as many letters: lengths that other
// octets of the message name stay right.
func SameLength(message string) string {
	hidden := func(secret string) string { return strings.Repeat("x", len(secret)) }
	message = mask(message, hidden)
	head, body, whole := strings.Cut(message, "\r\n\r\n")
	if whole && dtmfBody.MatchString(message) { // or a part of the body
		if body = replace(relayDigit, body, hidden); !relayDigit.MatchString(body) {
			body = anyDigit.ReplaceAllStringFunc(body, hidden)
		}
		message = head + "\r\n\r\n" + body
	}
	return message
}

func mask(message string, hidden func(secret string) string) string {
	message = replace(mediaKey, message, hidden)
	message = replace(sessionKey, message, hidden)
	message = replace(uriPassword, message, hidden)
	return credentials.ReplaceAllStringFunc(message, func(field string) string {
		parts := credentials.FindStringSubmatch(field)
		name, value := parts[1], parts[2]
		if !digestForm.MatchString(value) {
			return name + replace(scheme, value, hidden)
		}
		return name + replace(digestParts, value, func(secret string) string {
			if len(secret) >= 2 && secret[0] == '"' {
				return `"` + hidden(secret[1:len(secret)-1]) + `"`
			}
			return hidden(secret)
		})
	})
}

// replace hides the second group of every match. What stands before and behind it stays.
func replace(re *regexp.Regexp, text string, hidden func(string) string) string {
	var b strings.Builder
	from := 0
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(text[from:m[4]])
		b.WriteString(hidden(text[m[4]:m[5]]))
		from = m[5]
	}
	b.WriteString(text[from:])
	return b.String()
}
