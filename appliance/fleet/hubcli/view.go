package hubcli

import (
	"context"
	"flag"
	"io"

	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/view"
)

// look opens the hub as views see it.
func (c *call) look() (*view.Hub, error) {
	n, err := hub.Open(c.dir)
	if err != nil {
		return nil, err
	}
	return view.Open(c.ctx, n)
}

func boxes(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	json := flags.Bool("json", false, "one object of JSON")
	return func(c *call) error {
		h, err := c.look()
		if err != nil {
			return err
		}
		defer h.Close()
		f, err := h.Look(c.ctx, *customer)
		if err != nil {
			return err
		}
		if *json {
			return view.WriteBoxesJSON(c.Out, f)
		}
		return view.WriteBoxes(c.Out, f)
	}
}

func alarms(flags *flag.FlagSet) func(*call) error { return tail(flags, (*view.Hub).Alarms) }
func calls(flags *flag.FlagSet) func(*call) error  { return tail(flags, (*view.Hub).Calls) }

// tail shows what boxes have said.
func tail(flags *flag.FlagSet, show func(*view.Hub, context.Context, string, view.Tail, io.Writer) error) func(*call) error {
	customer := customerFlag(flags)
	var t view.Tail
	flags.StringVar(&t.Box, "box", "", "`name` of the one box that is shown")
	flags.IntVar(&t.Last, "last", 50, "`number` of those before now, at most 10000")
	flags.BoolVar(&t.JSON, "json", false, "an object of JSON in each line")
	return func(c *call) error {
		switch c.arg(0) {
		case "":
		case "follow":
			t.Follow = true
		default:
			return usageError("the word after it is follow, or none")
		}
		if t.Last < 0 || t.Last > 10_000 {
			return usageError("-last is a number from 0 to 10000")
		}
		h, err := c.look()
		if err != nil {
			return err
		}
		defer h.Close()
		return show(h, c.ctx, *customer, t, c.Out)
	}
}

// pageFlags are where the page is served; the function returns nil when it is not.
func pageFlags(flags *flag.FlagSet) func() *view.PageOptions {
	var o view.PageOptions
	flags.StringVar(&o.Address, "page", "", "`address` of the page of the fleet, as 127.0.0.1:8080; without it there is none. One that other machines reach needs the three files below")
	flags.StringVar(&o.Certificate, "page-certificate", "", "`file` with the certificate of the page, PEM")
	flags.StringVar(&o.Key, "page-key", "", "`file` with its key, PEM")
	flags.StringVar(&o.Passwords, "page-passwords", "", "`file` that its owner alone may read, with a name, a space and a password of 16 characters or more in each line")
	return func() *view.PageOptions {
		if o.Address == "" {
			return nil
		}
		return &o
	}
}
