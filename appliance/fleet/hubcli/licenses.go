package hubcli

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/license"
)

func licenseID(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		n, err := hub.Open(c.dir)
		if err == nil {
			c.printf("%s\n", n.ID())
		}
		return err
	}
}

func addLicense(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		keys := c.args
		if len(keys) == 0 {
			text, err := c.read("")
			if err != nil {
				return fmt.Errorf("read the license key: %w", err)
			}
			keys = keysOf(text)
		}
		if len(keys) == 0 {
			return errors.New("there is no license key: give one, or paste what the issuer has sent")
		}
		for _, key := range keys {
			err := c.change(fmt.Sprintf("license add %s %s", *customer, license.ID(key)), func(_ *hub.Node, r *hub.Registry) error {
				k, err := r.AddLicense(c.ctx, *customer, key)
				if err != nil {
					return err
				}
				c.printf("%s: it is in the pool of %s now.\n", k, *customer)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// keysOf are the keys in what an issuer sends: comment lines, and `install license KEY`.
func keysOf(text string) (keys []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		keys = append(keys, words[len(words)-1])
	}
	return keys
}

func showLicenses(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		x, _, err := c.customer(*customer)
		if err != nil {
			return err
		}
		c.table("LICENSE|KIND|COUNT|ISSUER|UNTIL|ADDED", func(row func(...any)) {
			for _, k := range hub.Sorted(x.Licenses) {
				until := "for ever"
				if !k.Expires.IsZero() {
					until = k.Expires.Format(time.DateOnly)
				}
				row(k.Serial, k.Kind, k.Count, k.Issuer, until, day(k.Added))
			}
		})
		return nil
	}
}
