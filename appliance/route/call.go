package route

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/config"
)

// Call holds the properties of a call.
type Call struct {
	CalledE164, CallingE164 string
	CalledURI, CallingURI   string
	CalledName, CallingName string
	CalledIP, CallingIP     string
	CallingPI, CallingSI    string
	Time                    time.Time // in the zone in which the tables are meant
}

// field returns where a property is kept; nil when a call has no such property or it can only be read.
func (c *Call) field(p config.Property) *string {
	switch p {
	case config.CalledE164:
		return &c.CalledE164
	case config.CallingE164:
		return &c.CallingE164
	case config.CalledURI:
		return &c.CalledURI
	case config.CallingURI:
		return &c.CallingURI
	case config.CalledName:
		return &c.CalledName
	case config.CallingName:
		return &c.CallingName
	case config.CalledIP:
		return &c.CalledIP
	case config.CallingIP:
		return &c.CallingIP
	case config.CallingPI:
		return &c.CallingPI
	case config.CallingSI:
		return &c.CallingSI
	}
	return nil
}

// Get returns a property; "" when the call has no such property.
func (c *Call) Get(p config.Property) string {
	if f := c.field(p); f != nil {
		return p.Settled(*f)
	}
	switch p {
	case config.TimeOfDay:
		return c.Time.Format(time.TimeOnly)
	case config.Date:
		return c.Time.Format("02.01.2006")
	case config.DayOfWeek:
		return strings.ToLower(c.Time.Format("Mon"))
	}
	return ""
}

// Set writes a property. A property that a call does not have, and the time, are left alone. A number holds no host and no
// parameters: of what a mapping copies from a URI into an e164 property, the scheme and
// everything from the first of @ ; > on is left out.
func (c *Call) Set(p config.Property, v string) {
	if p.IsNumber() {
		v = cutNumber(v)
	}
	if f := c.field(p); f != nil {
		*f = v
	}
}

// Suppose sets a property of a call that nobody has made, as a dry run asks for it: the time can be set too, and what a call could not
// have is an error.
func (c *Call) Suppose(p config.Property, v string) (err error) {
	if p.IsClock() {
		c.Time, err = config.Instant(p, v, c.Time)
		return err
	}
	if err := p.CheckValue(v); err != nil {
		return err
	}
	c.Set(p, v)
	return nil
}

func cutNumber(v string) string {
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		v = strings.TrimPrefix(v, scheme)
	}
	if i := strings.IndexAny(v, "@;>"); i >= 0 {
		return v[:i]
	}
	return v
}

// isName reports whether a property is a display name.
func isName(p config.Property) bool { return p == config.CalledName || p == config.CallingName }

// cutNames cuts display names to what a property holds. A number that is cut is somebody else's, a name is still that of its owner, and nobody is
// refused for it: neither an emergency call nor any other.
func (c *Call) cutNames() {
	for _, name := range []*string{&c.CalledName, &c.CallingName} {
		if len(*name) > config.MaxURI {
			*name = (*name)[:config.MaxURI]
			for range utf8.UTFMax - 1 { // half a character
				if r, size := utf8.DecodeLastRuneInString(*name); r == utf8.RuneError && size == 1 {
					*name = (*name)[:len(*name)-1]
				}
			}
		}
	}
}

// tooLong returns a property that is longer than any real one; "" when none is.
func (c *Call) tooLong() config.Property {
	for _, p := range []config.Property{config.CalledE164, config.CallingE164, config.CalledURI, config.CallingURI} {
		if len(*c.field(p)) > p.MaxLength() {
			return p
		}
	}
	return ""
}

// party is a call on its way, with the properties that mappings have written, the last one last.
type party struct {
	Call
	written []config.Property
}

// set writes a property and returns what is in it then.
func (p *party) set(prop config.Property, v string) string {
	p.Set(prop, v)
	if p.field(prop) != nil {
		p.written = append(slices.DeleteFunc(slices.Clone(p.written), func(q config.Property) bool { return q == prop }), prop)
	}
	return p.Get(prop)
}

// both lists the properties of the two parties for which a table without called- or calling- stands.
var both = map[config.Property][2]config.Property{
	config.E164: {config.CalledE164, config.CallingE164},
	config.URI:  {config.CalledURI, config.CallingURI},
	config.Name: {config.CalledName, config.CallingName},
}

// pairs returns from which properties to which a mapping table maps: one pair, or one for each party.
func pairs(t *config.MappingTable) (list [2][2]config.Property, n int) {
	in, inBoth := both[t.In]
	out, outBoth := both[t.Out]
	switch {
	case inBoth && outBoth:
		return [2][2]config.Property{{in[0], out[0]}, {in[1], out[1]}}, 2
	case inBoth:
		return [2][2]config.Property{{in[side(t.Out)], t.Out}}, 1
	case outBoth:
		return [2][2]config.Property{{t.In, out[side(t.In)]}}, 1
	}
	return [2][2]config.Property{{t.In, t.Out}}, 1
}

// side is 1 for properties of the calling party, else 0.
func side(p config.Property) int {
	if strings.HasPrefix(string(p), "calling-") {
		return 1
	}
	return 0
}
