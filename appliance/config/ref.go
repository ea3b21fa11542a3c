package config

import "strings"

// Ref names an object of type T that an O holds: the whole configuration, a context, a location service. The same name in another
// context is another object. A reference is bound late: the object may come later in the file, or never.
type Ref[O any, T kept[O, T]] struct{ Name string }

// kept is an object that an O keeps in a list and that has a name there. Each kind of object says so once, below.
type kept[O, T any] interface{ in(*O) named[T] }

// named is a list of objects with names.
type named[T any] struct {
	objects []*T
	name    func(*T) string
}

// find returns the first object of a name, or nil.
func (l named[T]) find(name string) *T {
	name = SameName(name)
	for _, x := range l.objects {
		if SameName(l.name(x)) == name {
			return x
		}
	}
	return nil
}

// IsZero reports whether nothing is referred to.
func (r Ref[O, T]) IsZero() bool { return r.Name == "" }

// In returns the object that the name stands for in o, or nil.
func (r Ref[O, T]) In(o *O) *T {
	if r.Name == "" || o == nil {
		return nil
	}
	var kind T
	return kind.in(o).find(r.Name)
}

// Names returns the names of all objects in o that such a reference may mean, in the order of entry.
func (Ref[O, T]) Names(o *O) []string {
	var kind T
	list := kind.in(o)
	all := make([]string, len(list.objects))
	for n, x := range list.objects {
		all[n] = list.name(x)
	}
	return all
}

// FunctionRef names what runs on a call in a context cs: a mapping table or a complex function.
type FunctionRef struct{ Name string }

// IsZero reports whether nothing is referred to.
func (r FunctionRef) IsZero() bool { return r.Name == "" }

// In returns what the name stands for in s: a mapping table, a complex function, or neither.
func (r FunctionRef) In(s *Switch) (*MappingTable, *ComplexFunction) {
	if m := (Ref[Switch, MappingTable](r)).In(s); m != nil {
		return m, nil
	}
	return nil, (Ref[Switch, ComplexFunction](r)).In(s)
}

// Names returns the names of all functions in s.
func (FunctionRef) Names(s *Switch) []string {
	return append(Ref[Switch, MappingTable]{}.Names(s), Ref[Switch, ComplexFunction]{}.Names(s)...)
}

// What a whole configuration keeps.

func (TLSProfile) in(c *Config) named[TLSProfile] {
	return named[TLSProfile]{c.TLS, func(x *TLSProfile) string { return x.Name }}
}

func (ACMEProfile) in(c *Config) named[ACMEProfile] {
	return named[ACMEProfile]{c.ACME, func(x *ACMEProfile) string { return x.Name }}
}

func (VoIPProfile) in(c *Config) named[VoIPProfile] {
	return named[VoIPProfile]{c.VoIP, func(x *VoIPProfile) string { return x.Name }}
}

func (ACL) in(c *Config) named[ACL] {
	return named[ACL]{c.ACL, func(x *ACL) string { return x.Name }}
}

func (IPContext) in(c *Config) named[IPContext] {
	return named[IPContext]{c.IP, func(x *IPContext) string { return x.Name }}
}

func (Switch) in(c *Config) named[Switch] {
	return named[Switch]{c.CS, func(x *Switch) string { return x.Name }}
}

func (AuthService) in(c *Config) named[AuthService] {
	return named[AuthService]{c.Auth, func(x *AuthService) string { return x.Name }}
}

func (LocationService) in(c *Config) named[LocationService] {
	return named[LocationService]{c.Location, func(x *LocationService) string { return x.Name }}
}

func (PresenceService) in(c *Config) named[PresenceService] {
	return named[PresenceService]{c.Presence, func(x *PresenceService) string { return x.Name }}
}

func (SIPGateway) in(c *Config) named[SIPGateway] {
	return named[SIPGateway]{c.Gateways, func(x *SIPGateway) string { return x.Name }}
}

// What a context ip keeps.

func (IPInterface) in(c *IPContext) named[IPInterface] {
	return named[IPInterface]{c.Interfaces, func(x *IPInterface) string { return x.Name }}
}

func (RoutingTableIP) in(c *IPContext) named[RoutingTableIP] {
	return named[RoutingTableIP]{c.Tables, func(x *RoutingTableIP) string { return x.Name }}
}

// What a context cs keeps.

func (SIPInterface) in(s *Switch) named[SIPInterface] {
	return named[SIPInterface]{s.Interfaces, func(x *SIPInterface) string { return x.Name }}
}

func (RoutingTable) in(s *Switch) named[RoutingTable] {
	return named[RoutingTable]{s.RoutingTables, func(x *RoutingTable) string { return x.Name }}
}

func (MappingTable) in(s *Switch) named[MappingTable] {
	return named[MappingTable]{s.MappingTables, func(x *MappingTable) string { return x.Name }}
}

func (ComplexFunction) in(s *Switch) named[ComplexFunction] {
	return named[ComplexFunction]{s.Functions, func(x *ComplexFunction) string { return x.Name }}
}

func (HuntGroup) in(s *Switch) named[HuntGroup] {
	return named[HuntGroup]{s.HuntGroups, func(x *HuntGroup) string { return x.Name }}
}

// What a location service keeps.

func (IdentityGroup) in(l *LocationService) named[IdentityGroup] {
	return named[IdentityGroup]{l.Groups, func(x *IdentityGroup) string { return x.Name }}
}

// SameName returns the form under which two names of objects are the same: as they are, but for the three names that older
// files write in lower case.
func SameName(name string) string {
	for _, usual := range [...]string{"ROUTER", "SWITCH", "DEFAULT"} {
		if len(name) == len(usual) && strings.EqualFold(name, usual) {
			return usual
		}
	}
	return name
}
