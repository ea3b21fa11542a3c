package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// peersNamed are the peers of the SIP interfaces of this name, with the context or without; all for "".
func (c *Call) peersNamed(name string) ([]status.Peer, error) {
	peers := c.Box.Peers()
	if name == "" {
		return peers, nil
	}
	peers = slices.DeleteFunc(peers, func(p status.Peer) bool {
		_, plain, _ := strings.Cut(p.Interface, "/")
		return !strings.EqualFold(p.Interface, name) && !strings.EqualFold(plain, name)
	})
	if len(peers) == 0 {
		return nil, fmt.Errorf("no interface sip %s has a peer: `show sip penalty-box` lists those that do", name)
	}
	return peers, nil
}

func showPeer(c *Call, a *named) error {
	peers, err := c.peersNamed(a.Name)
	if err != nil {
		return err
	}
	view := answer.PeerView{
		Now: c.now(), Connections: c.Box.Connections(), Calls: c.Box.Calls(), Traffic: c.Box.Traffic(time.Hour).Interfaces, Registrations: c.Box.Registrations(),
	}
	for n, p := range peers {
		if n > 0 {
			c.Printf("\n")
		}
		c.page().Peer(p, view, registrarsOf(c.Box.Running(), p.Interface))
	}
	if len(peers) == 0 {
		c.Printf("No interface has a peer.\n")
	}
	return nil
}

// registrarsOf names the gateway of a SIP interface and the host of its peer, by which registrations at it are known.
func registrarsOf(cfg *config.Config, iface string) (of answer.Registrar) {
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if i.ID().String() == iface {
				of = answer.Registrar{Gateway: i.Gateway.Name, Host: i.Remote.Host}
			}
		}
	}
	return of
}

func clearPenaltyBox(c *Call, a *named) error {
	peers, err := c.peersNamed(a.Name)
	if err != nil {
		return err
	}
	n := 0
	for _, sw := range c.Box.Running().CS {
		for _, i := range sw.Interfaces {
			if slices.ContainsFunc(peers, func(p status.Peer) bool { return p.Interface == i.ID().String() }) {
				n += c.Box.ReleasePeers(i.ID())
			}
		}
	}
	c.Printf("%s released; peers that do not answer OPTIONS go back\n", plural.Of(n, "peer"))
	return nil
}
