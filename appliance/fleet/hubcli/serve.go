package hubcli

import (
	"flag"
	"log/slog"

	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/fleet/view"
)

func run(flags *flag.FlagSet) func(*call) error {
	engine := flags.String("engine", string(hub.Embedded), "`embedded`, or external: a stock nats-server runs with the node's nats.conf, and is told when its users change")
	verbose := flags.Bool("verbose", false, "log what the engine says, too")
	page := pageFlags(flags)
	return func(c *call) error {
		kind, err := hub.ParseEngine(*engine)
		if err != nil {
			return err
		}
		n, err := hub.Open(c.dir)
		if err != nil {
			return err
		}
		level := slog.LevelInfo
		if *verbose {
			level = slog.LevelDebug
		}
		log := slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: level}))
		slog.SetDefault(log)
		go func() {
			select {
			case <-n.Ready():
				log.Info("the hub serves", "hub", n.ID(), "node", n.Name(), "boxes", n.URL())
			case <-c.ctx.Done():
			}
		}()
		services := []hub.Service{steward.Service(n, log)}
		if o := page(); o != nil {
			o.Log = log
			p, err := view.Page(n, *o)
			if err != nil {
				return err
			}
			services = append(services, p)
		}
		return n.Run(c.ctx, kind, services...)
	}
}
