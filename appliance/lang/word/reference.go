package word

import (
	"fmt"
	"maps"
	"reflect"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// references are the words that name an object: their kinds, and where their names are resolved.
var references = []refType{
	refer[global, config.Ref[global, config.TLSProfile]]("profile tls"),
	refer[global, config.Ref[global, config.ACMEProfile]]("profile acme"),
	refer[global, config.Ref[global, config.VoIPProfile]]("profile voip"),
	refer[global, config.Ref[global, config.ACL]]("profile acl"),
	refer[global, config.Ref[global, config.IPContext]]("context ip"),
	refer[global, config.Ref[global, config.SIPGateway]]("context sip-gateway"),
	refer[global, config.Ref[global, config.AuthService]]("authentication-service"),
	refer[global, config.Ref[global, config.LocationService]]("location-service"),
	refer[global, config.Ref[global, config.PresenceService]]("presence-service"),
	refer[ip, config.Ref[ip, config.IPInterface]]("interface"),
	refer[ip, config.Ref[ip, config.RoutingTableIP]]("routing-table"),
	refer[cs, config.Ref[cs, config.SIPInterface]]("interface sip"),
	refer[cs, config.Ref[cs, config.RoutingTable]]("routing-table"),
	refer[cs, config.Ref[cs, config.MappingTable]]("mapping-table"),
	refer[cs, config.FunctionRef]("mapping-table or complex-function"),
	refer[cs, config.ServiceRef]("service"),
	refer[location, config.Ref[location, config.IdentityGroup]]("identity-group"),
}

// The scopes of names.
type (
	global   = config.Config
	ip       = config.IPContext
	cs       = config.Switch
	location = config.LocationService
)

// refType is the Go type of a reference, and its word.
type refType struct {
	goType reflect.Type
	word   cli.Type
}

// Types returns the forms of all words of the configuration, by Go type.
func Types() map[reflect.Type]cli.Type {
	all := maps.Clone(own)
	for _, r := range references {
		all[r.goType] = r.word
	}
	return all
}

// refer makes a word of R, the name of an object inside an O. If a line is not inside an O, like `bind interface` of a port, completion
// offers the names in all Os of the configuration.
func refer[O any, R interface {
	~struct{ Name string }
	Names(*O) []string
}](what string) refType {
	return refType{reflect.TypeFor[R](), cli.Type{What: what, Ref: true,
		Parse: func(w string, _ any) (any, error) {
			if w == "" {
				return nil, fmt.Errorf("the name of a %s cannot be empty", what)
			}
			return R{Name: w}, nil
		},
		Print: func(v any) string { return struct{ Name string }(v.(R)).Name },
		Names: func(root, within any) (all []string) {
			for _, o := range holders[O](root, within) {
				var r R
				all = append(all, r.Names(o)...)
			}
			return all
		}}}
}

// holders returns the objects in which a name is resolved: the one around the line, or all of its kind.
func holders[O any](root, within any) []*O {
	if o, ok := within.(*O); ok {
		return []*O{o}
	}
	c, _ := root.(*config.Config)
	if c == nil {
		return nil
	}
	for _, all := range []any{[]*config.Config{c}, c.IP, c.CS, c.Location} {
		if list, ok := all.([]*O); ok {
			return list
		}
	}
	return nil
}
