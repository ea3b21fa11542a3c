package command

import (
	"cmp"
	"errors"
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

func ping(c *Call, a *pingArgs) error {
	c.live()
	p := device.Ping{Host: a.Host, Size: cmp.Or(a.Size, 56), Whole: a.DF, Count: cmp.Or(a.Count, 4), Source: a.Source}
	return c.Box.Ping(c.Ctx, p, func(line string) { c.Printf("%s\n", line) })
}

func nslookup(c *Call, a *host) error {
	lines, err := c.Box.Lookup(c.Ctx, a.Host)
	for _, l := range lines {
		c.Printf("%s\n", l)
	}
	return err
}

func traceroute(c *Call, a *host) error {
	c.live()
	return c.Box.Traceroute(c.Ctx, a.Host, func(line string) { c.Printf("%s\n", line) })
}

type topic struct{ Topic string }

func (c *Call) debug(topic string, on bool) error {
	if topic == "call" && !on {
		if err := c.Box.DebugCalls(c.Session.TTY, ""); err != nil {
			return err
		}
	}
	return c.Box.Debug(c.Session.TTY, topic, on)
}

type debugged struct{ Of string }

func debugCalls(c *Call, a *debugged) error {
	if len(a.Of) < 3 {
		return errors.New("three characters at least: the end of a number, an address or the name of an interface sip")
	}
	return c.Box.DebugCalls(c.Session.TTY, a.Of)
}

type registering struct{ Identity string }

func registerNow(c *Call, a *registering) error {
	n, err := c.Box.Register(a.Identity)
	if err != nil {
		return err
	}
	c.Printf("Registering %s now: see show sip registrations\n", plural.Of(n, "registration"))
	return nil
}

type callID struct{ ID string }

func clearCalls(c *Call, a *callID) error { return c.Box.ClearCall(a.ID) }

type banArgs struct{ Source netip.Addr }

func clearBans(c *Call, a *banArgs) error {
	n := c.Box.LiftBans(a.Source)
	if n == 0 && a.Source.IsValid() {
		return fmt.Errorf("no wrong passwords came from %s: `show bans` lists the sources", a.Source)
	}
	c.Printf("%s forgotten\n", plural.Of(n, "source"))
	return nil
}
