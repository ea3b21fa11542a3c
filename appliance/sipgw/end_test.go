package sipgw

import (
	"net"
	"strconv"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// The peer's connection is gone, so that the BYE of a call that ends with the box has to wait for a new one.
func TestByeLeavesBeforeTheStackEnds(t *testing.T) {
	var l net.Listener
	b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
	leg := b.invite(nil)
	p := acceptPeer(t, l)
	contact := "Contact: <sip:127.0.0.2:" + strconv.Itoa(int(b.cfg.CS[0].Interfaces[0].Remote.Port)) + ";transport=tcp>\n"
	p.write(reply(p.want("INVITE "), "200 OK", "b", contact, "v=0"))
	want[Answered](t, b.call)
	p.want("ACK ")
	p.c.Close()
	for b.s.Gateways()[0].Connections != 0 {
		time.Sleep(time.Millisecond)
	}
	b.call.on(func() { leg.Bye() })
	b.stop()
	p = acceptPeer(t, l)
	p.write(reply(p.want("BYE "), "200 OK", "b", "", ""))
}
