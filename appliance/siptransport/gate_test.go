package siptransport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// tableNames is a resolver of tables.
type tableNames struct {
	hosts map[string][]netip.Addr
	srv   map[string][]*net.SRV
}

func (n tableNames) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if list, ok := n.hosts[host]; ok {
		return list, nil
	}
	return nil, errors.New("no such name")
}

func (n tableNames) LookupSRV(_ context.Context, service, proto, name string) ([]*net.SRV, error) {
	if list, ok := n.srv["_"+service+"._"+proto+"."+name]; ok {
		return list, nil
	}
	return nil, errors.New("no such name")
}

func (n tableNames) Cached(host string) []netip.Addr { return n.hosts[host] }

var pbxAddr = netip.MustParseAddrPort("192.0.2.100:5060")

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// testGate is a gate at 127.0.0.1 without sockets, with one peer at pbxAddr. What it receives is thrown away.
func testGate(t testing.TB, o Options, change func(*config.SIPInterface)) *Gate {
	t.Helper()
	i := &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}},
		Remote: config.HostPort{Host: pbxAddr.Addr().String(), Port: pbxAddr.Port()}}
	if change != nil {
		change(i)
	}
	gw := &config.SIPGateway{Name: "gw", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: 5060}}}
	gw.SetDefaults()
	cfg := config.New()
	cfg.Gateways, cfg.CS = []*config.SIPGateway{gw}, []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
	if o.Resolver == nil {
		o.Resolver = tableNames{}
	}
	o.SetDefaults()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	g := New(ctx, "gw", &o, func(f func()) bool { group.Go(f); return true }, func([]byte, []byte, sipmsg.Framing, Arrival) {})
	t.Cleanup(func() { g.Close(); cancel(); group.Wait() })
	c, err := NewConf(cfg, gw, func(config.AddressBind) netip.Addr { return ip("127.0.0.1") }, o, false)
	if err != nil {
		t.Fatal(err)
	}
	g.Configure(c)
	return g
}
