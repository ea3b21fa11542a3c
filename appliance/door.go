package appliance

import (
	"context"
	"fmt"

	"viaduct/appliance/api"
)

// door is the api on its socket. A server serves once; when one has ended, the next listens anew.
type door struct {
	options api.Options
	backend api.Backend
	server  *api.Server // waits to be run; nil: there is none
}

// openDoor listens, so that whoever starts a box at whose socket another one answers hears of it at once.
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

// run serves until ctx ends or the server does; then it may be called again.
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
