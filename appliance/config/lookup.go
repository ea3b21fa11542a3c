package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Address returns the address that a gateway interface binds to, or the zero Addr when something on the way is missing.
func (c *Config) Address(b AddressBind) netip.Addr {
	if i := c.IPInterface(b.Context, b.Interface); i != nil {
		for _, a := range i.Addresses {
			if a.Name == b.Address {
				return a.Prefix.Addr()
			}
		}
	}
	return netip.Addr{}
}

// IPInterface returns an interface of an IP context, or nil. An empty context name means any.
func (c *Config) IPInterface(context Ref[Config, IPContext], name Ref[IPContext, IPInterface]) *IPInterface {
	if !context.IsZero() {
		return name.In(context.In(c))
	}
	for _, x := range c.IP {
		if i := name.In(x); i != nil {
			return i
		}
	}
	return nil
}

// Settings returns what the identity called user does in this location service: its own settings, those of its group behind them, or
// those of group DEFAULT when no such identity is configured. Configured reports whether the identity itself exists.
func (l *LocationService) Settings(user string) (f IdentitySettings, configured bool) {
	for _, i := range l.Identities {
		if i.Name == user {
			return i.IdentitySettings.over(l.group(i.Inherits.Name)), true
		}
	}
	return l.group("DEFAULT"), false
}

// Named returns the identity that the user part of a URI stands for: its name or an alias, with or without a plus in front; nil: none. What
// stands there literally goes before what differs by the plus. Phones escape what they need not (%2B49).
func (l *LocationService) Named(user string) *Identity {
	if plain, err := url.PathUnescape(user); err == nil {
		user = plain
	}
	if user == "" {
		return nil
	}
	bare := func(s string) string { return strings.TrimPrefix(s, "+") }
	for _, same := range []func(name string) bool{
		func(name string) bool { return name == user },
		func(name string) bool { return bare(name) == bare(user) },
	} {
		for _, i := range l.Identities {
			if same(i.Name) {
				return i
			}
		}
		for _, i := range l.Identities {
			if slices.ContainsFunc(i.Aliases, same) {
				return i
			}
		}
	}
	return nil
}

// group returns the settings of a group; DEFAULT is found whatever its case (SmartWare wrote it in lower case).
func (l *LocationService) group(name string) IdentitySettings {
	for _, g := range l.Groups {
		if g.Name == name || name == "DEFAULT" && strings.EqualFold(g.Name, name) {
			return g.IdentitySettings
		}
	}
	return IdentitySettings{}
}

// over lays f over what it inherits: a face that f configures replaces the whole inherited face.
func (f IdentitySettings) over(g IdentitySettings) IdentitySettings {
	f.UserPhone, f.SubscribeDialog = f.UserPhone || g.UserPhone, f.SubscribeDialog || g.SubscribeDialog
	f.MessageWaiting = f.MessageWaiting || g.MessageWaiting
	if f.AuthOutbound == nil {
		f.AuthOutbound = g.AuthOutbound
	}
	if f.AuthInbound == nil {
		f.AuthInbound = g.AuthInbound
	}
	if f.Registration == nil {
		f.Registration = g.Registration
	}
	if f.CallOutbound == nil {
		f.CallOutbound = g.CallOutbound
	}
	if f.CallInbound == nil {
		f.CallInbound = g.CallInbound
	}
	if f.Inbound == nil {
		f.Inbound = g.Inbound
	}
	return f
}

// Credential returns the account with which identity user answers challenges in this location service.
func (l *LocationService) Credential(c *Config, user string) (Credential, bool) {
	f, _ := l.Settings(user)
	if f.AuthOutbound == nil {
		return Credential{}, false
	}
	return account(c, f.AuthOutbound.Services, user)
}

// account is the first one of these lines that exists; without a name of its own a line means that of the identity.
func account(c *Config, lines []Authenticate, identity string) (Credential, bool) {
	for _, a := range lines {
		want := a.Username
		if want == "" {
			want = identity
		}
		if s := a.Service.In(c); s != nil {
			for _, u := range s.Users {
				if u.Username == want {
					return u, true
				}
			}
		}
	}
	return Credential{}, false
}

// Account finds an account by its name; nil when there is none.
func (c *Config) Account(name string) *Account {
	for _, a := range c.Accounts {
		if a.Name == name {
			return a
		}
	}
	return nil
}
