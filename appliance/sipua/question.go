package sipua

import (
	"context"
	"fmt"
	"net/netip"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Question is the OPTIONS of a probe, for somebody who asks by a connection of its own and leaves the peer's state alone.
type Question struct {
	Text      []byte
	Transport siptransport.Transport
	Local     netip.Addr // that the gateway would send it from
}

// Question writes the OPTIONS that an interface would send to its peer, or to another host; "" is the peer.
func (a *Agent) Question(ctx context.Context, iface config.InterfaceID, host string) (Question, error) {
	cfg := a.config()
	_, i := iface.In(cfg)
	if i == nil {
		return Question{}, fmt.Errorf("there is no interface sip %s", iface)
	}
	via, runs := a.stack.Client(i.Gateway.Name)
	if !runs {
		return Question{}, fmt.Errorf("context sip-gateway %s does not run", i.Gateway.Name)
	}
	asked := *i
	if host != "" {
		asked.Remote.Host = host
	}
	spec := probeOf(via, i.Gateway.Name, &asked)
	_ = via.Resolve(ctx, spec.to) // what we say of ourselves depends on where the peer is, as far as that is known
	req, err := spec.request()
	if err != nil {
		return Question{}, err
	}
	text, from := via.Written(req, spec.to)
	return Question{Text: text, Transport: spec.to.Transport, Local: from}, nil
}

// request builds the OPTIONS of a probe.
func (p probeSpec) request() (*sip.Request, error) {
	return p.via.NewRequest(sip.OPTIONS, p.uri, p.from, p.uri, "", p.to, sipmsg.Header{Name: "Accept", Value: "application/sdp"})
}
