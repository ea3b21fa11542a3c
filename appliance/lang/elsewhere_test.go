package lang

import (
	"regexp"
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/older"
)

// What administrators type by habit from other devices is refused with what takes its place, and that is a command of this box.
func TestCommandsOfOtherDevices(t *testing.T) {
	c := configuringConsole(New())
	for line, want := range map[string]string{
		"show ntp":                             "% unknown word \"ntp\": here it is `show sntp-client` or `show clock`\n",
		"show system cpu-usage":                "% unknown word \"cpu-usage\": here it is `show system`\n",
		"show profile tls PF":                  "here it is `show pki`\n",
		"show profile voip PF":                 "here it is in `show running-config`",
		"show pki:certificate/CA":              "here it is `show pki`\n",
		"show port fxs detail 3":               "there are no telephone ports here\n",
		"debug call-control detail 5":          "here it is `debug call`\n",
		"undebug all":                          "% unknown command \"undebug\": here it is `no debug all`\n",
		"write":                                "here it is `copy running-config startup-config`\n",
		"write factory":                        "here it is `copy factory-config startup-config`, then `reload`\n",
		"call-router test T called-e164 +4930": "here it is `show call-router trace TABLE called-e164 NUMBER`\n",
		"export pki:private-key/A":             "`export backup`",
	} {
		out := c.types(line)
		if !strings.Contains(out, want) {
			t.Errorf("%s says %q, want %q", line, out, want)
		}
	}
	c.types("context ip ROUTER")
	c.types("interface LAN")
	if out := c.types("ip addr 192.0.2.1"); !strings.Contains(out, "prefix length") || strings.Contains(out, "here it is") {
		t.Errorf("a line of the block with a wrong address says %q", out)
	}
	if out := c.types("configure terminal"); out != "" {
		t.Errorf("configure terminal says %q", out)
	}
}

var quoted = regexp.MustCompile("`([^`]*)`")

func TestWhatIsNamedForCommandsOfOtherDevices(t *testing.T) {
	l := New()
	cfg, modes := config.New(), everyMode(l)
	for _, x := range older.Commands() {
		for _, begin := range x.Begins {
			_, err := l.table.Match([]cli.Layer{{Mode: l.admin}}, begin, cfg)
			if err = fromElsewhere(begin, err); err == nil || !strings.HasSuffix(err.Error(), ": "+x.Here) {
				t.Errorf("%s is a command of this box, or something else is named for it: %v", begin, err)
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(x.Here, -1) {
			if err := documented(l, modes, m[1]); err != nil && !strings.Contains(err.Error(), "incomplete") && !strings.HasPrefix(m[1], "|") {
				t.Errorf("%s: `%s` is named, and it is no command: %v", x.Begins[0], m[1], err)
			}
		}
	}
}
