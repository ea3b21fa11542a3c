package diag

import (
	"regexp"
	"strings"
)

// What of a SIP message nobody may read who only looks for a fault: keys of media (RFC 4568, RFC 4566 5.12, RFC 4567, RFC 8839), a digest,
// from which a password can be guessed at leisure, other credentials, and a password in a URI.
var (
	mediaKey    = regexp.MustCompile(`(?i)(inline:)[^\s|]+`)
	sessionKey  = regexp.MustCompile(`(?im)^(k=\w+:|a=key-mgmt:|a=ice-pwd:)[^\r\n]*`)
	credentials = regexp.MustCompile(`(?im)^((?:proxy-|www-)?(?:authorization|authenticate|authentication-info)[ \t]*:)(.*(?:\r?\n[ \t].*)*)`)
	digestParts = regexp.MustCompile(`(?i)\b(response|nonce|cnonce|nextnonce|rspauth|opaque)(\s*=\s*)(?:"(?:\\.|[^"\\])*"|[^\s,]+)`)
	digestForm  = regexp.MustCompile(`(?i)^\s*(digest\s|\w+\s*=)`)
	uriPassword = regexp.MustCompile(`(?i)(sips?:[^\s:@<>";]+:)[^\s@<>"]+@`)
)

const masked = "***"

// mask takes secrets out of a SIP message that is shown.
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
