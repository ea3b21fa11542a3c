package console

import (
	"context"
	"time"

	"viaduct/appliance/web"
)

// settingsEvery is how often sbcd is asked what the configuration says about consoles.
const settingsEvery = 2 * time.Second

// followSettings serves Telnet and the web page as the configuration says, until the context ends. An sbcd that does not answer changes nothing.
func (c *console) followSettings(ctx context.Context) {
	telnet := newTelnetServer(c)
	defer telnet.close()
	var page *web.Server // nil: none was wanted yet, and its templates take no memory
	var broken error     // why there is none; terminals are served all the same
	defer func() {
		if page != nil {
			page.Close()
		}
	}()
	for ctx.Err() == nil {
		if now, err := c.client.Settings(ctx); err == nil {
			telnet.apply(ctx, now.Telnet)
			if now.Web != nil && page == nil && broken == nil {
				if page, broken = web.New(web.Options{Client: c.client, Histories: c.histories, Log: c.Log}); broken != nil {
					c.Log.Error("no web page", "err", broken)
				}
			}
			if page != nil {
				page.Apply(now.Web)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(settingsEvery):
		}
	}
}
