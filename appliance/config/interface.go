package config

import "strings"

// InterfaceID says which SIP interface: the same name may stand in several contexts cs.
type InterfaceID struct{ Context, Name string }

// ID is the identity of the interface.
func (i *SIPInterface) ID() InterfaceID { return InterfaceID{i.Context, i.Name} }

// In returns the interface and its context; nil when there is no such interface.
func (id InterfaceID) In(c *Config) (*Switch, *SIPInterface) {
	s := Ref[Config, Switch]{id.Context}.In(c)
	if i := (Ref[Switch, SIPInterface]{id.Name}).In(s); i != nil {
		return s, i
	}
	return nil, nil
}

// String is how people read an identity, see Scoped.
func (id InterfaceID) String() string { return Scoped(id.Context, id.Name) }

// Scoped is how people read the name of something in a context cs: the name alone in context cs SWITCH, which most configurations have
// alone, else CONTEXT/NAME.
func Scoped(context, name string) string {
	if context == "" || SameName(context) == "SWITCH" {
		return name
	}
	return context + "/" + name
}

// MarshalText writes an identity as people read it.
func (id InterfaceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// Compare orders identities by context and name.
func (id InterfaceID) Compare(other InterfaceID) int {
	if c := strings.Compare(id.Context, other.Context); c != 0 {
		return c
	}
	return strings.Compare(id.Name, other.Name)
}
