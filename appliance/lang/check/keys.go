package check

import (
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// KeyProblem is what speaks against a certificate or a key of the store, or is worth knowing of it.
type KeyProblem struct {
	Problem
	Profile string // the profile tls that uses it so; "": it is so wherever it is used
}

// KeyUsers lists the blocks of the configuration that name each certificate and each key, and what the box itself does with them.
func KeyUsers(cfg *config.Config) map[string][]string {
	used := map[string][]string{}
	add := func(who string, names ...config.PKIName) {
		for _, n := range names {
			if name := string(n); name != "" && !slices.Contains(used[name], who) {
				used[name] = append(used[name], who)
			}
		}
	}
	for _, t := range cfg.TLS {
		add("profile tls "+t.Name, namedBy(t)...)
	}
	for _, p := range cfg.ACME {
		certificate, key := p.Target()
		add("profile acme "+p.Name, certificate, key, p.DirectoryCA)
	}
	for _, p := range cfg.Presence {
		add("presence-service "+p.Name, p.Certificate, p.PrivateKey(), p.Proxy.CA, p.Starface.CA)
	}
	if f := cfg.Fleet; f != nil {
		add("fleet", f.CA, f.Proxy.CA)
	}
	add("the internal CA", "pki:certificate/"+pki.InternalName, "pki:private-key/"+pki.InternalName)
	return used
}

// ProfileUsers lists the blocks of the configuration that use a profile tls.
func ProfileUsers(cfg *config.Config, t *config.TLSProfile) (list []string) {
	for _, g := range cfg.Gateways {
		if g.TLS.In(cfg) == t {
			list = append(list, "context sip-gateway "+g.Name)
		}
	}
	for _, other := range []struct {
		used bool
		name string
	}{
		{cfg.Syslog != nil && cfg.Syslog.TLS.In(cfg) == t, "syslog-client"},
		{cfg.Web.TLS.In(cfg) == t, "webserver"},
		{cfg.Metrics != nil && cfg.Metrics.TLS.In(cfg) == t, "metrics"},
		{cfg.Web.TLS.In(cfg) == t, "webserver"},
		{cfg.HEP != nil && cfg.HEP.TLS.In(cfg) == t, "hep-client"},
	} {
		if other.used {
			list = append(list, other.name)
		}
	}
	return list
}

// NamesFor are the names by which Microsoft Teams knows the box where a profile is used: those that its certificate must be for.
func NamesFor(cfg *config.Config, t *config.TLSProfile) []string {
	c := &checker{cfg: cfg}
	return c.namesFor(t)
}

// KeyProblems are the problems of each certificate and key that the profiles name, as the list of problems has them.
func KeyProblems(cfg *config.Config, e Env) map[config.PKIName][]KeyProblem {
	found := map[config.PKIName][]KeyProblem{}
	for _, t := range cfg.TLS {
		c := &checker{cfg: cfg, env: e}
		for _, f := range pki.Check(t, e.PKI, cfg.FacesTeams(t), e.Now) {
			before := len(c.problems)
			c.finding(Where{}, t, f)
			for _, p := range c.problems[before:] {
				found[f.Name(t)] = append(found[f.Name(t)], KeyProblem{p, t.Name})
			}
		}
		if e.Calendar == nil || len(t.Own) == 0 {
			continue
		}
		before := len(c.problems)
		c.successor(t)
		for _, p := range c.problems[before:] {
			found[t.Own[0].Name] = append(found[t.Own[0].Name], KeyProblem{p, t.Name})
		}
	}
	return found
}
