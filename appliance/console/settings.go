package console

import (
	"context"
	"fmt"
	"time"

	"viaduct/appliance/web"
)

// settingsEvery is how often sbcd is asked what the configuration says about consoles.
const settingsEvery = 2 * time.Second

// followSettings serves Telnet and the web page as the configuration says, until the context ends. An sbcd that does not answer changes nothing.
func (c *console) followSettings(ctx context.Context) error {
	telnet := newTelnetServer(c)
	defer telnet.close()
	page, err := web.New(web.Options{Client: c.client, Histories: c.histories, Log: c.Log})
	if err != nil {
		return fmt.Errorf("web page: %w", err)
	}
	defer page.Close()
	for ctx.Err() == nil {
		if now, err := c.client.Settings(ctx); err == nil {
			telnet.apply(ctx, now.Telnet)
			page.Apply(now.Web)
		}
		select {
		case <-ctx.Done():
		case <-time.After(settingsEvery):
		}
	}
	return nil
}
