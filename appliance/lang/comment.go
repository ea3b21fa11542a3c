package lang

import (
	"regexp"
	"strings"
)

// serialNumber is a serial number in a comment: twelve hex digits, the first ones of a MAC address, with a letter among them so
// that no telephone number is taken for one.
var serialNumber = regexp.MustCompile(`\b[0-9A-Fa-f]{12}\b`)

// comment looks at a line that says nothing to the box. License keys are delivered with comment lines that name the unit they
// are for; one that names another unit tells the administrator more than the refusal of the key below it.
func (c *call) comment(line string) {
	ours := c.box.Env().Serial
	if ours == "" {
		return
	}
	for _, serial := range serialNumber.FindAllString(line, -1) {
		if strings.ContainsAny(strings.ToUpper(serial), "ABCDEF") && !strings.EqualFold(serial, ours) {
			c.printf("%% warning: the comment names unit %s, this is %s: a license key below it is for another unit\n", strings.ToUpper(serial), ours)
			return
		}
	}
}
