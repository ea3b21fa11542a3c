package lang

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/status"
)

// Commands that show what the engines of the box say of themselves: package answer lays it out.

// state makes a command of an answer that needs no arguments.
func state(write func(c *call, pg answer.Page)) func(*call, *none) error {
	return func(c *call, _ *none) error {
		write(c, c.page())
		return nil
	}
}

func (c *call) now() time.Time { return c.box.Clock().Now }

// coming says when a reload comes, "" when none does.
func (c *call) coming() string {
	if r := c.box.Coming(); r != nil {
		return r.In(c.now())
	}
	return ""
}

type detail struct{ Level int }

func showCalls(c *call, a *detail) error {
	c.page().Calls(c.box.Calls(), a.Level, c.now())
	return nil
}

type historyArgs struct {
	Calls int // 0: as many as a screen shows
	JSON  bool
}

// showHistory lists calls that have ended.
func showHistory(c *call, a *historyArgs) error {
	records, err := c.box.CallRecords(cmp.Or(a.Calls, 20))
	if err != nil {
		return err
	}
	if a.JSON {
		return c.page().RecordsJSON(records)
	}
	c.page().Records(records)
	return nil
}

type recordArgs struct{ ID string }

// recordsSearched is how far back `show calls record` looks.
const recordsSearched = 10_000

func showRecord(c *call, a *recordArgs) error {
	records, err := c.box.CallRecords(recordsSearched)
	if err != nil {
		return err
	}
	found := false
	for _, r := range records {
		if strings.EqualFold(r.ID, a.ID) || r.CallID == a.ID {
			found = true
			c.page().Record(r)
		}
	}
	if !found {
		return fmt.Errorf("no record of a call %q: `show calls history` lists them", a.ID)
	}
	return nil
}

type portArgs struct{ Slot, Port int }

func showPort(c *call, a *portArgs) error {
	for _, p := range c.box.Ports() {
		if p.Slot == a.Slot && p.Port == a.Port {
			c.page().Port(p)
			return nil
		}
	}
	return fmt.Errorf("there is no port ethernet %d %d in the configuration", a.Slot, a.Port)
}

func clockSync(c *call, _ *none) error {
	if err := c.box.SyncClock(c.ctx); err != nil {
		return fmt.Errorf("clock sync: %w", err)
	}
	c.page().Time(c.box.Clock())
	return nil
}

// usersOfKeys lists, for each name in the key store, the lines that refer to it.
func usersOfKeys(cfg *config.Config) map[string][]string {
	used := map[string][]string{}
	for _, t := range cfg.TLS {
		all := []config.PKIName{t.PrivateKey}
		for _, o := range t.Own {
			all = append(all, o.Name)
		}
		for _, n := range append(all, t.Trusted...) {
			used[string(n)] = append(used[string(n)], "profile tls "+t.Name)
		}
	}
	return used
}

type gatewayArgs struct {
	Name  string
	Level int
}

func showGateways(c *call, a *gatewayArgs) error {
	list := slices.DeleteFunc(c.box.Gateways(), func(g status.Gateway) bool {
		return len(g.Interfaces) == 0 || a.Name != "" && config.SameName(a.Name) != config.SameName(g.Name)
	})
	switch {
	case len(list) == 0 && a.Name != "":
		return fmt.Errorf("no such context sip-gateway: %s", a.Name)
	case len(list) == 0 || a.Level == 0:
		c.page().Gateways(list)
		return nil
	}
	peers := c.box.PenaltyBox()
	for _, g := range list {
		c.page().Gateway(g, usersOfGateway(c.box.Running(), g.Name), peers)
	}
	return nil
}

// usersOfGateway lists the interfaces sip of a gateway.
func usersOfGateway(cfg *config.Config, gateway string) (users []string) {
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if config.SameName(i.Gateway.Name) == config.SameName(gateway) {
				users = append(users, i.Name)
			}
		}
	}
	return users
}

func showARP(c *call, _ *none) error {
	list, err := c.box.Neighbours()
	if err != nil {
		return fmt.Errorf("neighbours: %w", err)
	}
	c.page().Neighbours(list)
	return nil
}

func showImages(c *call, _ *none) error {
	images, err := c.box.Images(c.ctx)
	if err != nil {
		return err
	}
	c.page().Images(images)
	return nil
}

// showLicenses shows keys as lines to be pasted; operators see none.
func showLicenses(c *call, a *detail) error {
	c.page().Licenses(c.box.Licenses(), a.Level > 0, c.masked())
	return nil
}

// showKeys shows those things of the key store that are wanted.
func (c *call) showKeys(wanted func(status.Key) bool) {
	keys := slices.DeleteFunc(c.box.PKI(), func(k status.Key) bool { return !wanted(k) })
	c.page().Keys(keys, usersOfKeys(c.box.Running()), c.now())
}

func showPKI(c *call, _ *none) error {
	c.showKeys(func(k status.Key) bool { return k.Kind != status.KeyTrusted })
	return nil
}

// showTrusted shows trust anchors, then issuers that could become one.
func showTrusted(c *call, _ *none) error {
	anchors := map[string]bool{}
	for _, t := range c.box.Running().TLS {
		for _, n := range t.Trusted {
			anchors[string(n)] = true
		}
	}
	c.showKeys(func(k status.Key) bool {
		return k.Kind == status.KeyTrusted || anchors["pki:"+string(k.Kind)+"/"+k.Name]
	})
	c.page().UnknownIssuers(c.box.Untrusted())
	return nil
}
