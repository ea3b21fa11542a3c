package lang

import (
	"cmp"
	"fmt"
	"net/netip"

	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
)

// Commands that act on the engines of the box.

type host struct{ Host string }

type pingArgs struct {
	Host   string
	Size   int // 0: not given; the same for Count
	DF     bool
	Count  int
	Source netip.Addr
}

func ping(c *call, a *pingArgs) error {
	c.live()
	p := device.Ping{Host: a.Host, Size: cmp.Or(a.Size, 56), Whole: a.DF, Count: cmp.Or(a.Count, 4), Source: a.Source}
	return c.box.Ping(c.ctx, p, func(line string) { c.printf("%s\n", line) })
}

func nslookup(c *call, a *host) error {
	lines, err := c.box.Lookup(c.ctx, a.Host)
	for _, l := range lines {
		c.printf("%s\n", l)
	}
	return err
}

func traceroute(c *call, a *host) error {
	c.live()
	return c.box.Traceroute(c.ctx, a.Host, func(line string) { c.printf("%s\n", line) })
}

type topic struct{ Topic string }

func (c *call) debug(topic string, on bool) error {
	return c.box.Debug(c.session.TTY, topic, on)
}

type registering struct{ Identity string }

func registerNow(c *call, a *registering) error {
	n, err := c.box.Register(a.Identity)
	if err != nil {
		return err
	}
	c.printf("Registering %s now: see show sip registrations\n", plural.Of(n, "registration"))
	return nil
}

type callID struct{ ID string }

func clearCalls(c *call, a *callID) error { return c.box.ClearCall(a.ID) }

type banArgs struct{ Source netip.Addr }

func clearBans(c *call, a *banArgs) error {
	n := c.box.LiftBans(a.Source)
	if n == 0 && a.Source.IsValid() {
		return fmt.Errorf("no wrong passwords came from %s: `show bans` lists the sources", a.Source)
	}
	c.printf("%s forgotten\n", plural.Of(n, "source"))
	return nil
}
