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
	var found []string
	usual := ""
	switch words[1].Text {
	case "cs":
		usual = "SWITCH"
		for _, x := range cfg.CS {
			found = append(found, x.Name)
		}
	case "ip":
		usual = "ROUTER"
		for _, x := range cfg.IP {
			found = append(found, x.Name)
		}
	case "sip-gateway":
		for _, x := range cfg.Gateways {
			found = append(found, x.Name)
		}
	}
	if len(found) == 0 && usual != "" {
		found = []string{usual}
	}
	if len(found) != 1 {
		return "", false
	}
	return "context " + words[1].Text + " " + cli.Quote(found[0]), true
}
