package config

import "strings"

// Ref names an object of type T. It is bound late: the object may come later in the file, or never.
type Ref[T any] struct{ Name string }

// IsZero reports whether nothing is referred to.
func (r Ref[T]) IsZero() bool { return r.Name == "" }

// In returns the object that the name stands for in c, or nil.
func (r Ref[T]) In(c *Config) *T {
	if r.Name == "" {
		return nil
	}
	return find[T](c, r.Name)
}

// find looks an object up by type and name. The cases are all types that a Ref can have, except Function: see Switch.Function.
func find[T any](c *Config, name string) *T {
	var found any
	switch any((*T)(nil)).(type) {
	case *TLSProfile:
		found = named(c.TLS, name, func(x *TLSProfile) string { return x.Name })
	case *VoIPProfile:
		found = named(c.VoIP, name, func(x *VoIPProfile) string { return x.Name })
	case *IPContext:
		found = named(c.IP, name, func(x *IPContext) string { return x.Name })
	case *ACL:
		found = named(c.ACL, name, func(x *ACL) string { return x.Name })
	case *RoutingTableIP:
		found = within(c.IP, name, func(x *IPContext) []*RoutingTableIP { return x.Tables }, func(x *RoutingTableIP) string { return x.Name })
	case *AuthService:
		found = named(c.Auth, name, func(x *AuthService) string { return x.Name })
	case *LocationService:
		found = named(c.Location, name, func(x *LocationService) string { return x.Name })
	case *SIPGateway:
		found = named(c.Gateways, name, func(x *SIPGateway) string { return x.Name })
	case *IPInterface:
		found = within(c.IP, name, func(x *IPContext) []*IPInterface { return x.Interfaces }, func(x *IPInterface) string { return x.Name })
	case *SIPInterface:
		found = within(c.CS, name, func(x *Switch) []*SIPInterface { return x.Interfaces }, func(x *SIPInterface) string { return x.Name })
	case *RoutingTable:
		found = within(c.CS, name, func(x *Switch) []*RoutingTable { return x.RoutingTables }, func(x *RoutingTable) string { return x.Name })
	case *MappingTable:
		found = within(c.CS, name, func(x *Switch) []*MappingTable { return x.MappingTables }, func(x *MappingTable) string { return x.Name })
	case *ComplexFunction:
		found = within(c.CS, name, func(x *Switch) []*ComplexFunction { return x.Functions }, func(x *ComplexFunction) string { return x.Name })
	case *HuntGroup:
		found = within(c.CS, name, func(x *Switch) []*HuntGroup { return x.HuntGroups }, func(x *HuntGroup) string { return x.Name })
	case *IdentityGroup:
		found = within(c.Location, name, func(x *LocationService) []*IdentityGroup { return x.Groups }, func(x *IdentityGroup) string { return x.Name })
	}
	t, _ := found.(*T)
	return t
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

func named[T any](list []*T, name string, nameOf func(*T) string) *T {
	name = SameName(name)
	for _, x := range list {
		if SameName(nameOf(x)) == name {
			return x
		}
	}
	return nil
}

func within[P, T any](parents []*P, name string, children func(*P) []*T, nameOf func(*T) string) *T {
	for _, p := range parents {
		if x := named(children(p), name, nameOf); x != nil {
			return x
		}
	}
	return nil
}

// Function returns what a function reference stands for in c: a mapping table, a complex function, or neither.
func FunctionIn(c *Config, r Ref[Function]) (*MappingTable, *ComplexFunction) {
	return find[MappingTable](c, r.Name), find[ComplexFunction](c, r.Name)
}
