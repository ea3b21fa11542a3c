package edit

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// NotText says why a line is no text, "" when it is. A comment may hold anything: it is not run anyway.
func NotText(s string) string {
	if strings.HasPrefix(strings.TrimSpace(s), "#") {
		return ""
	}
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size <= 1 {
				return fmt.Sprintf("byte 0x%02x at column %d is not UTF-8 text", s[i], i+1)
			}
		case r < ' ' && r != '\t' || r == 0x7f:
			return fmt.Sprintf("byte 0x%02x at column %d is a control character", s[i], i+1)
		}
	}
	return ""
}
