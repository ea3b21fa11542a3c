package config

import (
	"net/netip"
	"slices"
	"strings"
)

// ProvisioningSocket is what a provisioning-service listens on.
type ProvisioningSocket struct {
	Service  *ProvisioningService
	Word     string         // "http", "tftp" or "sip-pnp"
	Protocol string         // below it: "tcp" or "udp"
	At       netip.AddrPort // with sip-pnp the group, which the interface of Local joins
	Local    netip.AddrPort // address of the box in the LAN, with the port of HTTP; port 0: no HTTP
}

// Where TFTP listens, and the group that phones ask for their settings (the makers' SIP plug and play).
const tftpPort = 69

var pnpGroup = netip.MustParseAddrPort("224.0.1.75:5060")

// ProvisioningSockets are those of all provisioning-services that have an address in the LAN.
func (c *Config) ProvisioningSockets() (list []ProvisioningSocket) {
	for _, p := range c.Provisioning {
		a, why := c.ProvisioningAddress(p)
		if !p.Enabled || why != "" {
			continue
		}
		local := netip.AddrPortFrom(a, p.HTTP.Port)
		if p.HTTP.Port != 0 {
			list = append(list, ProvisioningSocket{p, "http", "tcp", local, local})
		}
		if p.TFTP {
			list = append(list, ProvisioningSocket{p, "tftp", "udp", netip.AddrPortFrom(a, tftpPort), local})
		}
		if p.PnP && a.Is4() {
			list = append(list, ProvisioningSocket{p, "sip-pnp", "udp", pnpGroup, local})
		}
	}
	return list
}

// ProvisioningAddress is the address of the box at which a provisioning-service serves; why it serves nobody, if there is none. Files with
// passwords are for the LAN: port ethernet 0 0 and its VLANs.
func (c *Config) ProvisioningAddress(p *ProvisioningService) (a netip.Addr, why string) {
	i := c.IPInterface(p.Bind.Context, p.Bind.Interface)
	if i == nil {
		return a, "it is bound to no address"
	}
	binds := func(b IPBind) bool { return c.IPInterface(b.Context, b.Interface) == i }
	lan := slices.ContainsFunc(c.Ports, func(p *EthernetPort) bool {
		return p.Slot == 0 && p.Port == 0 && (binds(p.Bind) || slices.ContainsFunc(p.VLANs, func(v *VLAN) bool { return binds(v.Bind) }))
	})
	if !lan {
		return a, "its address is not in the LAN, which is port ethernet 0 0 and its VLANs"
	}
	if a = c.Address(p.Bind); !a.IsValid() {
		return a, "its address is not known"
	}
	return a, ""
}

// ElseAtPort says what else wants the port for HTTP of a service at its address; "": nothing does.
func (c *Config) ElseAtPort(p *ProvisioningService) string {
	at, why := c.ProvisioningAddress(p)
	if p.HTTP.Port == 0 || why != "" {
		return ""
	}
	own := "provisioning-service " + p.Name
	return taker(slices.DeleteFunc(c.taken(), func(s TakenSocket) bool { return s.By == own }), netip.AddrPortFrom(at, p.HTTP.Port))
}

// PhoneAccount is the account that phones of an identity show when they register.
func (l *LocationService) PhoneAccount(c *Config, identity string) (Credential, bool) {
	f, configured := l.Settings(identity)
	if !configured || f.AuthInbound == nil || f.AuthInbound.None {
		return Credential{}, false
	}
	return account(c, f.AuthInbound.Services, identity)
}

// phonePassword is how many characters the password of a phone has at least.
const phonePassword = 8

// WeakPhonePassword says why a password does not protect the account of a phone; "": it does. A guessable one is tried first by everybody.
func WeakPhonePassword(password Secret, account, identity string, m MAC) (why string, guessable bool) {
	p := strings.ToLower(string(password))
	plain := strings.NewReplacer(":", "", "-", "", ".", "").Replace(p)
	switch {
	case p == "":
		return "the account has no password", true
	case p == strings.ToLower(identity) || p == strings.ToLower(account):
		return "the password is the name of the account", true
	case m != "" && plain == string(m):
		return "the password is the hardware address of the phone", true
	case len([]rune(p)) < phonePassword:
		return "the password has fewer than 8 characters", false
	}
	return "", false
}
