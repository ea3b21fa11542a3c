package hubcli

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/license"
)

func addCustomer(flags *flag.FlagSet) func(*call) error {
	var store size
	flags.Var(&store, "store", "what the hub keeps of its alarms, calls and leases on each node: a `size` such as 1GB; default 1.5 GB")
	return func(c *call) error {
		return c.change("customer add "+c.args[0], func(_ *hub.Node, r *hub.Registry) error {
			if err := r.AddCustomer(c.ctx, c.args[0], int64(store)); err != nil {
				return err
			}
			c.printf("The customer %s is added.\n", c.args[0])
			return nil
		})
	}
}

func listCustomers(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		l, err := c.listing()
		if err != nil {
			return err
		}
		c.table("CUSTOMER|BOXES|OPERATORS|LICENSES|STORE|ADDED", func(row func(...any)) {
			for _, x := range hub.Sorted(l.Customers) {
				row(x.Name, len(x.Boxes), len(x.Operators), len(x.Licenses), hub.Size(x.Store), day(x.Added))
			}
		})
		return nil
	}
}

func removeCustomer(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		return c.change("customer remove "+c.args[0], func(_ *hub.Node, r *hub.Registry) error {
			if err := r.RemoveCustomer(c.ctx, c.args[0]); err != nil {
				return err
			}
			c.printf("The customer %s is removed, with all that the hub kept of it.\n", c.args[0])
			return nil
		})
	}
}

// limitFlags are those of the pools.
func limitFlags(flags *flag.FlagSet) func() map[string]hub.Limit {
	var sessions, channels limit
	flags.Var(&sessions, "sessions", "`MIN..MAX` sip-sessions of the pool: MIN are kept for the box, and it never has more than MAX; without it, it may have as many as there are")
	flags.Var(&channels, "channels", "the same for srtp-channels: `MIN..MAX`")
	return func() map[string]hub.Limit {
		limits := map[string]hub.Limit{}
		if sessions.given {
			limits[string(license.SIPSessions)] = sessions.Limit
		}
		if channels.given {
			limits[string(license.SRTPChannels)] = channels.Limit
		}
		return limits
	}
}

// keyFile reads the key file of a box.
func (c *call) keyFile() (fleet.KeyFile, error) {
	text, err := c.read(c.arg(0))
	if err != nil {
		return fleet.KeyFile{}, fmt.Errorf("read the key file: %w", err)
	}
	return fleet.ParseKeyFile(text)
}

func addBox(flags *flag.FlagSet) func(*call) error {
	customer, limits := customerFlag(flags), limitFlags(flags)
	return func(c *call) error {
		file, err := c.keyFile()
		if err != nil {
			return err
		}
		return c.change(fmt.Sprintf("box add %s/%s serial %s key %s", *customer, file.Box, file.Serial, file.Key), func(_ *hub.Node, r *hub.Registry) error {
			if err := r.AddBox(c.ctx, *customer, file, limits()); err != nil {
				return err
			}
			c.printf("The box %s of %s is added: serial number %s, key %s. It connects within 15 seconds.\n", file.Box, *customer, file.Serial, file.Key)
			return nil
		})
	}
}

func listBoxes(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		x, _, err := c.customer(*customer)
		if err != nil {
			return err
		}
		c.table("BOX|SERIAL|STATE|SINCE|SESSIONS|CHANNELS|KEY", func(row func(...any)) {
			for _, b := range hub.Sorted(x.Boxes) {
				since := b.Keyed
				if !b.Revoked.IsZero() {
					since = b.Revoked
				}
				sessions, some := b.Limits[string(license.SIPSessions)]
				channels, others := b.Limits[string(license.SRTPChannels)]
				row(b.Name, b.Serial, b.State(), day(since), limitText(sessions, some), limitText(channels, others), b.Key)
			}
		})
		return nil
	}
}

func setBox(flags *flag.FlagSet) func(*call) error {
	customer, limits := customerFlag(flags), limitFlags(flags)
	return func(c *call) error {
		l := limits()
		if len(l) == 0 {
			return usageError("-sessions or -channels is missing")
		}
		return c.change(fmt.Sprintf("box set %s/%s %v", *customer, c.args[0], l), func(_ *hub.Node, r *hub.Registry) error {
			if err := r.SetLimits(c.ctx, *customer, c.args[0], l); err != nil {
				return err
			}
			c.printf("The limits of %s are changed.\n", c.args[0])
			return nil
		})
	}
}

func keyBox(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		file, err := c.keyFile()
		if err != nil {
			return err
		}
		return c.change(fmt.Sprintf("box key %s/%s serial %s key %s", *customer, file.Box, file.Serial, file.Key), func(_ *hub.Node, r *hub.Registry) error {
			expected, err := r.ReplaceKey(c.ctx, *customer, file)
			if err != nil {
				return err
			}
			c.printf("%s has the key %s now; its old one is ended.\n", file.Box, file.Key)
			if !expected {
				c.printf("The box itself has not said over its old key that it made this one: be sure that the file is of the box.\n")
			}
			return nil
		})
	}
}

func revokeBox(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		return c.change(fmt.Sprintf("box revoke %s/%s", *customer, c.args[0]), func(_ *hub.Node, r *hub.Registry) error {
			if err := r.RevokeBox(c.ctx, *customer, c.args[0]); err != nil {
				return err
			}
			c.printf("%s is revoked: it is cut off, gets no more licenses, and has those that it has leased until their end.\n", c.args[0])
			return nil
		})
	}
}

func addOperator(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		return c.change(fmt.Sprintf("operator add %s/%s", *customer, c.args[0]), func(n *hub.Node, r *hub.Registry) error {
			credentials, public, err := n.NewCredentials(*customer, c.args[0])
			if err != nil {
				return err
			}
			if err := r.AddOperator(c.ctx, *customer, c.args[0], public); err != nil {
				return err
			}
			c.printf("%s", credentials)
			return nil
		})
	}
}

func listOperators(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		x, _, err := c.customer(*customer)
		if err != nil {
			return err
		}
		c.table("OPERATOR|STATE|SINCE|KEY", func(row func(...any)) {
			row(hub.DefaultOperator, "at the hub's own machine", day(x.Added), "")
			for _, o := range hub.Sorted(x.Operators) {
				if o.Revoked.IsZero() {
					row(o.Name, "known", day(o.Added), o.Key)
				} else {
					row(o.Name, "revoked", day(o.Revoked), "")
				}
			}
		})
		return nil
	}
}

func revokeOperator(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	return func(c *call) error {
		return c.change(fmt.Sprintf("operator revoke %s/%s", *customer, c.args[0]), func(_ *hub.Node, r *hub.Registry) error {
			if err := r.RevokeOperator(c.ctx, *customer, c.args[0]); err != nil {
				return err
			}
			c.printf("%s is revoked and cut off.\n", c.args[0])
			return nil
		})
	}
}

func addAuthority(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		return c.change("authority add "+strings.Join(c.args, " "), func(_ *hub.Node, r *hub.Registry) error {
			if err := r.AddAuthority(c.ctx, c.args[0], c.args[1]); err != nil {
				return err
			}
			c.printf("License keys that %s has signed are believed now.\n", c.args[0])
			return nil
		})
	}
}

func listAuthorities(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		l, err := c.listing()
		if err != nil {
			return err
		}
		c.table("AUTHORITY|ADDED|KEY", func(row func(...any)) {
			for _, a := range hub.Sorted(l.Authorities) {
				row(a.Name, day(a.Added), a.Key)
			}
		})
		return nil
	}
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateOnly)
}
