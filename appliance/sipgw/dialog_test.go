package sipgw

import (
	"testing"

	"viaduct/appliance/siptransport"
)

func TestBlanksInRecordRoute(t *testing.T) {
	res := response(200, "OK", "Record-Route: <sip:proxy.example;lr> ; x = y , <sip:b.example ; lr>")
	var d dialog
	d.confirm(res)
	if _, routes := d.uriAndRoutes(); len(routes) != 2 {
		t.Errorf("a loose router is taken for a strict one: %q", routes)
	}
}

func TestAContactWithoutAPort(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.arrived("c1", "")
		where, ok := b.g.ResolveNow(l.hopOf(&dialog{target: "sip:a@192.0.2.100", transport: siptransport.UDP}))
		if !ok || len(where.Addrs) != 1 || where.Addrs[0] != peerAddr {
			t.Errorf("requests go to %v", where)
		}
	})
}
