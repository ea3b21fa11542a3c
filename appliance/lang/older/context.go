package older

import (
	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// OnlyContext returns the header line of a context whose name was left out: the only context of its kind, or a new one with the usual name.
func OnlyContext(cfg *config.Config, line string) (header string, ok bool) {
	words := cli.Words(line)
	if len(words) != 2 || words[0].Text != "context" {
		return "", false
	}
	return Context(cfg, words[1].Text)
}

// Context returns the header line of the only context of a kind (cs, ip, sip-gateway), or of a new one with the usual name.
func Context(cfg *config.Config, kind string) (header string, ok bool) {
	name := ""
	switch kind {
	case "cs":
		name = only(cfg.CS, "SWITCH", func(x *config.Switch) string { return x.Name })
	case "ip":
		name = only(cfg.IP, "ROUTER", func(x *config.IPContext) string { return x.Name })
	case "sip-gateway":
		name = only(cfg.Gateways, "", func(x *config.SIPGateway) string { return x.Name })
	}
	if name == "" {
		return "", false
	}
	return "context " + kind + " " + cli.Quote(name), true
}

// only returns the name of the only object in a list. If the list is empty, it returns the usual name; otherwise "".
func only[T any](list []*T, usual string, nameOf func(*T) string) string {
	switch len(list) {
	case 0:
		return usual
	case 1:
		return nameOf(list[0])
	}
	return ""
}
