package command

import (
	"fmt"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Phones that register here, and calls while their PBX is gone.

// showSurvival shows one survival, by its name or by CONTEXT/NAME, or all.
func showSurvival(c *Call, a *named) error {
	all := c.Box.Survivals()
	if a.Name != "" {
		var found []status.Survival
		for _, s := range all {
			if config.SameName(s.Name) == config.SameName(a.Name) {
				found = append(found, s)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no survival %s: `show survival` lists them", a.Name)
		}
		all = found
	}
	c.page().Survivals(all, c.now())
	return nil
}
