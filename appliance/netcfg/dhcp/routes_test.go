package dhcp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestClasslessRoutes(t *testing.T) {
	many := make([]byte, 0, 500)
	for i := range 100 {
		many = append(many, 24, 10, 0, byte(i), 192, 0, 2, 1)
	}
	for name, c := range map[string]struct {
		option []byte
		want   string // router, then the routes
	}{
		"none: the router":                  {nil, "192.0.2.1"},
		"a default route":                   {[]byte{0, 192, 0, 2, 9}, "192.0.2.9"},
		"no default route: none":            {[]byte{8, 10, 192, 0, 2, 9}, "invalid IP 10.0.0.0/8 via 192.0.2.9"},
		"the examples of RFC 3442":          {[]byte{0, 192, 0, 2, 9, 8, 10, 192, 0, 2, 9, 24, 10, 0, 0, 192, 0, 2, 9, 16, 10, 17, 192, 0, 2, 9, 25, 10, 27, 129, 0, 192, 0, 2, 9, 32, 10, 198, 122, 47, 192, 0, 2, 9}, "192.0.2.9 10.0.0.0/8 via 192.0.2.9 10.0.0.0/24 via 192.0.2.9 10.17.0.0/16 via 192.0.2.9 10.27.129.0/25 via 192.0.2.9 10.198.122.47/32 via 192.0.2.9"},
		"on the link, and by it":            {[]byte{32, 10, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1}, "10.0.0.1 10.0.0.1/32 via invalid IP"},
		"a default route on the link: none": {[]byte{0, 0, 0, 0, 0}, "invalid IP"},
		"host bits":                         {[]byte{24, 10, 0, 0, 192, 0, 2, 9, 25, 10, 0, 0, 99, 192, 0, 2, 9}, "invalid IP 10.0.0.0/24 via 192.0.2.9 10.0.0.0/25 via 192.0.2.9"},
		"a length of 33: no option":         {[]byte{33, 10, 0, 0, 0, 0, 192, 0, 2, 9}, "192.0.2.1"},
		"cut short: no option":              {[]byte{0, 192, 0, 2, 9, 24, 10, 0}, "192.0.2.1"},
		"gateways that cannot be":           {[]byte{8, 10, 192, 0, 2, 77, 8, 11, 255, 255, 255, 255, 8, 12, 224, 0, 0, 1, 8, 13, 192, 0, 2, 0}, "invalid IP"},
		"networks of nobody":                {[]byte{8, 127, 192, 0, 2, 9, 4, 224, 192, 0, 2, 9, 8, 0, 192, 0, 2, 9}, "invalid IP"},
	} {
		o := hour()
		if c.option != nil {
			o[optRoutes] = c.option
		}
		p, ok := parse(answer(1, kindAck, "192.0.2.77", o))
		if !ok {
			t.Fatalf("%s: not parsed", name)
		}
		l, err := p.lease(time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		words := []string{l.Router.String()}
		for _, r := range l.Routes {
			words = append(words, fmt.Sprintf("%s via %s", r.Prefix, r.Gateway))
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	l := &Lease{Prefix: netip.MustParsePrefix("192.0.2.77/24")}
	l.routing(map[byte][]byte{optRoutes: many})
	if len(l.Routes) != maxRoutes {
		t.Errorf("of a hundred routes %d are taken", len(l.Routes))
	}
}

func TestRoutesAreAskedFor(t *testing.T) {
	run(t, func(t *testing.T, w *wire, _ *Client, told chan *Lease, _ context.CancelCauseFunc) {
		wanted := asked(t, <-w.sent).options[optWanted]
		// A server with little room leaves out what comes last, so RFC 3442 wants its option before the routers.
		if routes, routers := slices.Index(wanted, optRoutes), slices.Index(wanted, optRouter); routes < 0 || routes > routers {
			t.Errorf("asked for %v", wanted)
		}
	})
}

// A server with little room puts options into the fields of the server's and the file's name.
func TestOptionsInTheFieldsOfNames(t *testing.T) {
	o := hour()
	delete(o, optRouter)
	o[optOverload] = []byte{3}
	b := answer(1, kindAck, "192.0.2.77", o)
	bootp := b[ethernetSize+ipSize+udpSize:]
	copy(bootp[108:], []byte{optRouter, 4, 192, 0, 2, 9, optEnd})
	copy(bootp[44:], []byte{optNameServers, 4, 192, 0, 2, 54, optEnd})
	p, ok := parse(b)
	if !ok {
		t.Fatal("not parsed")
	}
	if l, err := p.lease(time.Now()); err != nil || l.Router.String() != "192.0.2.9" || len(l.NameServers) != 3 {
		t.Errorf("%+v, %v", l, err)
	}
	copy(bootp[44:], []byte{optNameServers, 99})
	if _, ok := parse(b); ok {
		t.Error("a field that ends in the middle of an option is read")
	}
}
