package command

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// looking are the first words of commands that change nothing. All others belong into the trail, new ones too.
var looking = strings.Fields("show what-if ping traceroute nslookup who help exit quit logout end enable configure terminal debug check")

// Looks reports whether a command, by its pattern, changes nothing.
func Looks(pattern string) bool {
	word, _, _ := strings.Cut(strings.TrimPrefix(pattern, "no "), " ")
	return slices.Contains(looking, word)
}

type auditArgs struct {
	Last           int
	Account, Since string
}

func showAudit(c *Call, a *auditArgs) error {
	var since time.Time
	if a.Since != "" {
		var err error
		if since, err = moment(a.Since, c.now().In(c.page().Zone)); err != nil {
			return err
		}
	}
	list, err := c.Box.Audit(cmp.Or(a.Last, 50), func(e status.Audit) bool {
		return (a.Account == "" || e.Account == a.Account) && !e.Time.Before(since)
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("nothing of this kind is in the trail")
	}
	c.page().Audit(list)
	return nil
}
