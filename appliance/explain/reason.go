package explain

import (
	"regexp"
	"strconv"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Microsoft's words stand in the text of a Reason header: an id, sometimes a code, and a sentence, with semicolons between them
// (teams.md A.52).
var (
	microsoftID   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	microsoftCode = regexp.MustCompile(`(?:^|[^0-9A-Za-z.:-])(10[0-9]{3}|5[0-9]{5})(?:[^0-9A-Za-z.:-]|$)`)
)

// Microsoft reads what Teams says in a Reason header; nil: nothing.
func Microsoft(reason string) *status.MicrosoftText {
	_, text, found := strings.Cut(reason, `text="`)
	if !found {
		return nil
	}
	text, _, _ = strings.Cut(text, `"`)
	var m status.MicrosoftText
	if code := microsoftCode.FindStringSubmatch(text); code != nil {
		m.Code, _ = strconv.Atoi(code[1])
	}
	var words []string
	for part := range strings.SplitSeq(text, ";") {
		switch part = strings.TrimSpace(part); {
		case part == "" || part == strconv.Itoa(m.Code):
		case microsoftID.MatchString(part):
			m.ID = part
		default:
			words = append(words, part)
		}
	}
	m.Text = printable.Text(strings.Join(words, "; "))
	if m == (status.MicrosoftText{}) {
		return nil
	}
	return &m
}
