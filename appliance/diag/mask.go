package diag

import (
	"regexp"
	"strings"
)

// Secrets in SIP messages, which debug output must not show: keys of media (RFC 4568, RFC 4566 5.12, RFC 4567, RFC 8839), digests, from
// which passwords can be guessed offline, other credentials, and passwords in URIs.
var (
	mediaKey    = regexp.MustCompile(`(?i)(inline:)[^\s|]+`)
	sessionKey  = regexp.MustCompile(`(?im)^(k=\w+:|a=key-mgmt:|a=ice-pwd:)[^\r\n]*`)
	credentials = regexp.MustCompile(`(?im)^((?:proxy-|www-)?(?:authorization|authenticate|authentication-info)[ \t]*:)(.*(?:\r?\n[ \t].*)*)`)
	digestParts = regexp.MustCompile(`(?i)\b(response|nonce|cnonce|nextnonce|rspauth|opaque)(\s*=\s*)(?:"(?:\\.|[^"\\])*"|[^\s,]+)`)
	digestForm  = regexp.MustCompile(`(?i)^\s*(digest\s|\w+\s*=)`)
	uriPassword = regexp.MustCompile(`(?i)(sips?:[^\s:@<>";]+:)[^\s@<>"]+@`)
)

const masked = "***"

// mask replaces the secrets of a SIP message by asterisks.
func mask(message string) string {
	message = mediaKey.ReplaceAllString(message, "${1}"+masked)
	message = sessionKey.ReplaceAllString(message, "${1}"+masked)
	message = uriPassword.ReplaceAllString(message, "${1}"+masked+"@")
	return credentials.ReplaceAllStringFunc(message, func(field string) string {
		parts := credentials.FindStringSubmatch(field)
		name, value := parts[1], parts[2]
		if !digestForm.MatchString(value) {
			scheme, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			return name + " " + scheme + " " + masked
		}
		return name + digestParts.ReplaceAllString(value, `${1}${2}"`+masked+`"`)
	})
}
