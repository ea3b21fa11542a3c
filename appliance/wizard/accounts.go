package wizard

import (
	"fmt"
	"strings"

	"viaduct/appliance/cli"
)

func (a Answers) identities(w *writer) {
	w.gap()
	w.why("The accounts of the PBX.")
	w.block("authentication-service "+accounts, func() {
		for _, u := range a.Users {
			password := cli.Quote(u.Password)
			if w.hidden {
				password = Hidden
			}
			w.f("username %s password %s", cli.Quote(u.Account), password)
		}
	})
	w.gap()
	w.why("Microsoft's domains. Nothing is registered there, and everything goes over TLS.")
	w.block("location-service "+domainsTeams, func() {
		for i, d := range clouds[a.Teams.Cloud].domains {
			w.f("domain %d %s", i+1, d)
		}
		w.block("identity-group DEFAULT", func() {
			w.f("user phone")
			w.block("authentication inbound", func() { w.f("authenticate none") })
			w.block("registration outbound", func() { w.f("register none") })
			w.block("call outbound", func() { w.f("transport-protocol force tls") })
			w.f("call inbound")
		})
	})
	w.gap()
	w.why("The domain of the PBX: the box registers each account there, every three minutes.")
	w.block("location-service "+domainsPBX, func() {
		w.f("domain 1 %s", hostAndPort(a.pbxHost(), a.PBX.Port))
		if a.pbxHost() != a.pbxAddress().String() {
			w.f("domain 2 %s", a.pbxAddress())
		}
		w.block("identity-group "+identityGroup, func() {
			w.block("authentication outbound", func() { w.f("authenticate 1 authentication-service %s", accounts) })
			w.block("authentication inbound", func() { w.f("authenticate none") })
			w.block("registration outbound", func() {
				w.f("registrar %s", hostAndPort(a.pbxHost(), a.PBX.Port))
				w.f("lifetime 180")
				w.f("register auto")
			})
			w.block("call outbound", func() {
				if a.PBX.Transport != UDP {
					w.f("transport-protocol force %s", a.PBX.Transport)
				}
			})
			w.f("call inbound")
		})
		for _, u := range a.Users {
			w.f("identity %s inherits %s", cli.Quote(u.Account), identityGroup)
		}
	})
}

// lanPort is where the box listens for the PBX.
func (a Answers) lanPort() int {
	if a.PBX.Transport == TLS {
		return 5061
	}
	return 5060
}

func (a Answers) lanGateway() string { return fmt.Sprintf("gw_sip_lan_%d", a.lanPort()) }

func (a Answers) wanGateway() string { return fmt.Sprintf("gw_sip_wan_%d", a.port()) }

func (a Answers) gateways(w *writer) {
	w.gap()
	w.why("Where the box listens for the PBX. Strangers get no answer.")
	w.block("context sip-gateway "+a.lanGateway(), func() {
		if a.PBX.Transport == TLS {
			w.f("use profile tls %s", tlsPBX)
		}
		w.f("bind location-service %s", domainsPBX)
		w.block("interface if_"+a.lanGateway(), func() {
			if a.PBX.Transport == TLS {
				w.f("transport-protocol tls %d", a.lanPort())
			} else {
				w.f("transport-protocol udp+tcp %d", a.lanPort())
			}
			w.f("bind ipaddress %s %s %s", contextIP, lanInterface, lanInterface)
		})
		w.f("no shutdown")
	})
	w.gap()
	w.why("Where the box listens for Microsoft: TLS alone, and under its one name. Strangers get no answer.")
	w.block("context sip-gateway "+a.wanGateway(), func() {
		w.f("use profile tls %s", tlsTeams)
		w.f("bind location-service %s", domainsTeams)
		w.block("interface if_"+a.wanGateway(), func() {
			w.f("transport-protocol tls %d", a.port())
			w.f("bind ipaddress %s %s %s", contextIP, wanInterface, wanInterface)
			w.f("spoofed contact-header manual %s port %d", a.fqdn(), a.port())
			w.f("spoofed via-header manual %s port %d", a.fqdn(), a.port())
			if public := strings.TrimSpace(a.Network.Public); public != "" {
				w.why("The address that the NAT in front has in the internet: Microsoft sends voice there.")
				w.f("spoofed media-address %s", public)
			}
		})
		w.f("connection-reuse")
		w.f("no shutdown")
	})
}
