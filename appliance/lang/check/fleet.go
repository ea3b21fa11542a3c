package check

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/pki"
)

// checkFleet checks whether the box can be a member of its fleet.
func checkFleet(c *checker) {
	f := c.cfg.Fleet
	if f == nil || !f.Enabled {
		return
	}
	if f.Name == "" {
		name := cmp.Or(fleet.NearName(c.cfg.Hostname), "NAME")
		c.in(f, Warning, "the box connects to no hub: it has no name there", "name "+name)
	}
	if len(f.Hubs) == 0 {
		c.in(f, Warning, "the box connects to no hub: no line says where it is", "hub HOST")
	}
	for i, h := range f.Hubs {
		same := slices.IndexFunc(f.Hubs[:i], func(other *config.HubNode) bool {
			return strings.EqualFold(strings.TrimSuffix(other.Host, "."), strings.TrimSuffix(h.Host, "."))
		})
		if same >= 0 {
			c.add(c.at(f, "Hubs", i), Warning, "this is the node "+f.Hubs[same].Host+" again: small and capital letters are alike in a host name", "no hub "+h.Host)
		}
	}
	if f.CA == "" && f.Pin == "" {
		c.in(f, Warning, "the box connects to no hub: it could not tell it from another. `ca` names the issuer of the hub's certificate, `pin` the SHA-256 of its public key", "pin SHA256")
	}
	c.wayToHub(f)
	if f.HTTPS && c.cfg.Web.HTTPS.Port == 0 {
		w := c.at(f, "HTTPS")
		c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
			Text: "operators of the hub find no web page: `webserver https` switches it on", Fix: "webserver https", FixPath: []string{}})
	}
}

// wayToHub checks what the way to the hub needs.
func (c *checker) wayToHub(f *config.Fleet) {
	if w := c.at(f, "Proxy"); Sealed(f.Proxy.Password) {
		c.add(w, Warning, Unopened, "")
	}
	for _, x := range []struct {
		field string
		ca    config.PKIName
	}{{"CA", f.CA}, {"Proxy", f.Proxy.CA}} {
		if x.ca != "" && c.env.PKI != nil {
			_, err := c.env.PKI.Certificates(pki.Name(x.ca))
			c.unread(c.at(f, x.field), x.ca, err, "import "+string(x.ca))
		}
	}
	named := slices.ContainsFunc(f.Hubs, func(h *config.HubNode) bool { return isName(h.Host) })
	if f.Proxy.Host != "" {
		named = isName(f.Proxy.Host) // a proxy looks up names itself
	}
	if named && len(c.cfg.DNSServers) == 0 && !c.leased() {
		w := c.headers[f]
		c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
			Text: "no name server: the hub cannot be found", Fix: "dns-client server ADDRESS", FixPath: []string{}})
	}
}

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}
