package sipgw

import (
	"testing"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/siptransport"
)

func TestAContactWithoutAPort(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.arrived("c1", "")
		where, ok := b.g.ResolveNow(l.hopOf(&sipdialog.Dialog{Target: "sip:a@192.0.2.100", Transport: siptransport.UDP}))
		if !ok || len(where.Addrs) != 1 || where.Addrs[0] != peerAddr {
			t.Errorf("requests go to %v", where)
		}
	})
}
