package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

const snmpServer1 = `snmp-server
  community n0c-reads
  user noc authentication correct-horse privacy battery-staple
  user short authentication correct-horse privacy battery
  user plain authentication correct-horse
  access 198.51.100.0/24
  access 192.168.1.0/24
  trap-target 192.168.1.20
  trap-target 192.168.1.21 port 1162 user nobody
  contact "The NOC"
`

func TestSNMPServer(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(snmpServer1))
	if len(problems) > 0 || !cfg.SNMP.Listens() {
		t.Fatal(problems, cfg.SNMP)
	}
	if s := cfg.SNMP; s.Port != 161 || s.Targets[0].Port != 162 || s.Targets[1] != (config.SNMPTarget{Host: "192.168.1.21", Port: 1162, User: "nobody"}) ||
		s.Users[0] != (config.SNMPUser{Name: "noc", Authentication: "correct-horse", Privacy: "battery-staple"}) || s.Users[2].Privacy != "" {
		t.Errorf("%+v", s)
	}
	again, problems := l.Parse(l.Print(cfg, false))
	if len(problems) > 0 || string(l.Print(again, false)) != string(l.Print(cfg, false)) {
		t.Errorf("%v\n%s", problems, l.Print(cfg, false))
	}
	masked := string(l.Print(cfg, true))
	for _, secret := range []string{"n0c-reads", "correct-horse", "battery"} {
		if strings.Contains(masked, secret) {
			t.Errorf("an operator sees %s in\n%s", secret, masked)
		}
	}
	said := problemLines(l.Check(cfg, check.Env{}))
	for _, want := range []string{"user short is left out: a password has fewer than 8 characters", "no such user: nobody", "v2c is open to 198.51.100.0/24"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	if strings.Contains(said, "192.168.1.0/24") || strings.Contains(said, "user plain") {
		t.Errorf("too much is said:\n%s", said)
	}
	for text, want := range map[string]string{
		"snmp-server\n": "nothing listens",
		"snmp-server\n user u authentication correct-horse\n trap-target 192.0.2.1\n": "no traps are sent to 192.0.2.1: v2c needs a community",
		"snmp-server\n community $sealed$zz\n":                                        "sealed by another box",
	} {
		cfg, _ := l.Parse([]byte(text))
		if said := problemLines(l.Check(cfg, check.Env{})); !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
}

func TestSNMPSecretsAreSealed(t *testing.T) {
	l := NewSealing(hexSealer{})
	cfg, problems := l.Parse([]byte("password-encryption\n" + snmpServer1))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := string(l.Print(cfg, false))
	if strings.Contains(text, "n0c-reads") || strings.Contains(text, "correct-horse") || strings.Contains(text, "battery") || strings.Count(text, check.SealedPrefix) != 6 {
		t.Errorf("%s", text)
	}
	again, problems := l.Parse([]byte(text))
	if len(problems) > 0 || again.SNMP.Community != "n0c-reads" || again.SNMP.Users[0].Privacy != "battery-staple" {
		t.Errorf("%v %q", problems, again.SNMP.Community)
	}
}
