package call

import (
	"log/slog"
	"testing"

	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/license"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/route"
)

// A call may end between the moment in which it is given a license and the one in which it hears of that.
func TestALicenseThatComesTooLateIsGivenBack(t *testing.T) {
	for name, ends := range map[string]func(*call){
		"the call has ended":         func(c *call) { c.state = callstate.Ended },
		"its goroutine has, as well": func(c *call) { c.state = callstate.Ended; c.box.End(); c.box.Run() },
	} {
		t.Run(name, func(t *testing.T) {
			licenses := license.New()
			licenses.Attach(nil)
			if _, err := licenses.Acquire(4, 0); err != nil {
				t.Fatal(err)
			}
			c := &call{m: New(Options{Licenses: licenses}), log: slog.New(slog.DiscardHandler), box: mailbox.New(), lease: lease{share: license.None}, cfg: &config.Config{}}
			c.a.Profile, c.plan = &config.VoIPProfile{}, &route.Plan{}
			if !c.leased() {
				t.Fatal("it does not wait")
			}
			ends(c)
			licenses.SetLeased(license.SIPSessions, 1)
			c.box.End()
			c.box.Run()
			if n := licenses.InUse().Sessions; n != 4 {
				t.Errorf("%d are in use", n)
			}
		})
	}
}
