package hubcli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/tunnel"
)

func connect(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	as := flags.String("as", "", "`file` with an operator's credentials, from another machine; without it, the operator is \"hub\", at the hub's own machine")
	service := flags.String("service", "ssh", "`ssh or https`")
	return func(c *call) error {
		who, err := c.credentials(*as, *customer)
		if err != nil {
			return err
		}
		link, stop, err := c.link(who)
		if err != nil {
			return err
		}
		defer stop()
		return tunnel.Connect(c.ctx, link, tunnel.Target{Operator: who.Operator, Box: c.args[0], Service: *service}, tunnel.Stdio(c.In, c.Out))
	}
}

// credentials are those of a file, or of this machine.
func (c *call) credentials(file, customer string) (hub.Credentials, error) {
	if file != "" {
		return hub.ReadCredentials(file)
	}
	n, err := hub.Open(c.dir)
	if err != nil {
		return hub.Credentials{}, errors.Join(err, errors.New("from another machine it takes an operator's credentials: -as FILE"))
	}
	return n.LocalCredentials(customer)
}

// reachTime bounds how long a command waits for the hub.
const reachTime = 30 * time.Second

// link connects to the hub as an operator.
func (c *call) link(who hub.Credentials) (link *bus.Bus, stop func(), err error) {
	key, err := bus.ParseKey([]byte(who.Seed))
	if err != nil {
		return nil, nil, err
	}
	var hubs []*config.HubNode
	for _, at := range who.Hubs {
		host, text, err := net.SplitHostPort(at)
		if err != nil {
			return nil, nil, err
		}
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, nil, err
		}
		hubs = append(hubs, &config.HubNode{Host: host, Port: uint16(port)})
	}
	link = bus.Open(bus.Options{Log: slog.New(slog.DiscardHandler), Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}})
	ctx, cancel := context.WithCancel(c.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		link.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	link.Apply(bus.Settings{Name: who.Operator, Key: key, Hubs: hubs, Pin: who.Pin})
	waiting, done := context.WithTimeout(ctx, reachTime)
	defer done()
	if err := link.Reach(waiting); err != nil {
		stop()
		return nil, nil, cmp.Or(context.Cause(c.ctx), err)
	}
	return link, stop, nil
}
