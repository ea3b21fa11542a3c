package appliance

import (
	"context"
	"fmt"

	"viaduct/appliance/api"
	"viaduct/appliance/api/wire"
	"viaduct/appliance/system"
)

// greeter tells the box when a console first asks who may log in: then there is a prompt.
type greeter struct {
	api.Backend
	box *system.System
}

func (g greeter) Login(ctx context.Context, r wire.LoginRequest) wire.LoginReply {
	defer g.box.Greeted()
	return g.Backend.Login(ctx, r)
}

// door serves the api on its socket. An api.Server serves once; run replaces one that has ended.
type door struct {
	options api.Options
	backend api.Backend
	server  *api.Server // listens, and has not run; nil: none
}

// openDoor listens. It fails at once if another box answers at the socket.
func openDoor(o api.Options, b api.Backend) (*door, error) {
	d := &door{options: o, backend: b}
	return d, d.listen()
}

func (d *door) listen() (err error) {
	if d.server, err = api.Listen(d.options, d.backend); err != nil {
		return fmt.Errorf("listen on %s: %w", d.options.Socket, err)
	}
	return nil
}

// run serves until ctx or the server ends. It can be called again.
func (d *door) run(ctx context.Context) error {
	if d.server == nil {
		if err := d.listen(); err != nil {
			return err
		}
	}
	s := d.server
	d.server = nil
	return s.Run(ctx)
}
