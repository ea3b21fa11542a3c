package hubcli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/tunnel"
	"viaduct/appliance/printable"
)

func connect(flags *flag.FlagSet) func(*call) error {
	customer := customerFlag(flags)
	operator := flags.String("operator", "", "`file` with an operator's credentials, from another machine; without it, the operator is \"hub\", at the hub's own machine")
	listen := flags.String("listen", "", "`HOST:PORT` of this machine, such as 127.0.0.1:8443, where connections to the service begin, in place of standard input and output")
	return func(c *call) error {
		to := tunnel.Target{Box: c.args[0], Service: cmp.Or(c.arg(1), tunnel.SSH)}
		if err := fleet.CheckName(to.Box); err != nil {
			return usageError("no box: " + err.Error())
		}
		if to.Service != tunnel.SSH && to.Service != tunnel.HTTPS {
			return usageError(fmt.Sprintf("a box has no service %q for operators: ssh, https", printable.Text(to.Service)))
		}
		who, err := c.credentials(*operator, *customer)
		if err != nil {
			return err
		}
		to.Operator = who.Operator
		ctx, cancel := signal.NotifyContext(c.ctx, syscall.SIGHUP) // with which ssh ends its ProxyCommand
		defer cancel()
		signal.Ignore(syscall.SIGPIPE) // an ssh that was killed takes nothing more: the box is told so
		link, stop, err := c.link(ctx, who)
		if err != nil {
			return err
		}
		defer stop()
		if *listen != "" {
			return c.serve(ctx, link, to, *listen)
		}
		err = tunnel.Connect(ctx, link, to, tunnel.Stdio(c.In, c.Out))
		if errors.Is(err, tunnel.ErrStopped) {
			return nil // whoever has ended it knows
		}
		return explain(c.ctx, link, to, err)
	}
}

// serve gives connections to the service at an address of this machine.
func (c *call) serve(ctx context.Context, link fleet.Link, to tunnel.Target, at string) error {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Err, "%s of %s: connect to %s; Ctrl-C ends it\n", to.Service, to.Box, l.Addr())
	var saying sync.Mutex
	return tunnel.Serve(ctx, link, to, l, func(err error) {
		text := printable.Lines(explain(ctx, link, to, err).Error())
		saying.Lock()
		defer saying.Unlock()
		fmt.Fprintf(c.Err, "hub: %s\n", text)
	})
}

// explain says whose trouble it is, and what can be done.
func explain(ctx context.Context, link fleet.Link, to tunnel.Target, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(tunnel.RefusedError)):
		return fmt.Errorf("%s refuses: %w", to.Box, err)
	case errors.Is(err, tunnel.ErrNobody):
		return absent(ctx, link, to.Operator, to.Box)
	}
	return fmt.Errorf("the connection to %s of %s: %w", to.Service, to.Box, err)
}

// absent says why a box does not answer: the hub keeps the last status that each has sent.
func absent(ctx context.Context, link fleet.Link, operator, box string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	text, err := link.Request(ctx, fleet.SeenOf(operator, box), nil)
	var seen fleet.Seen
	if err != nil || json.Unmarshal(text, &seen) != nil {
		return fmt.Errorf("the box %q is not connected to the hub", box)
	}
	if seen.Time.IsZero() {
		return fmt.Errorf("no box %q has ever been connected to the hub: `hub box list` at the hub names those that it takes", box)
	}
	return fmt.Errorf("the box %q is not connected to the hub; the last sign of it is of %s: `show fleet` at the box tells why", box,
		seen.Time.Local().Format(time.DateTime))
}

// statusTime bounds a question for an explanation.
const statusTime = 5 * time.Second

// credentials are those of a file, or of this machine.
func (c *call) credentials(file, customer string) (hub.Credentials, error) {
	if file != "" {
		return hub.ReadCredentials(file)
	}
	n, err := hub.Open(c.dir)
	if err != nil {
		return hub.Credentials{}, errors.Join(err, errors.New("from another machine it takes an operator's credentials: -operator FILE"))
	}
	return n.LocalCredentials(customer)
}

// reachTime bounds how long a command waits for the hub.
const reachTime = 30 * time.Second

// link connects to the hub as an operator.
func (c *call) link(ctx context.Context, who hub.Credentials) (link *bus.Bus, stop func(), err error) {
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
	run, cancel := context.WithCancel(context.WithoutCancel(ctx)) // which outlives what is sent at the end
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		link.Run(run)
	}()
	stop = func() { cancel(); <-ended }
	link.Apply(bus.Settings{Name: who.Operator, Key: key, Hubs: hubs, Pin: who.Pin})
	waiting, done := context.WithTimeout(ctx, reachTime)
	defer done()
	if err := link.Reach(waiting); err != nil {
		stop()
		return nil, nil, cmp.Or(context.Cause(ctx), err)
	}
	return link, stop, nil
}
