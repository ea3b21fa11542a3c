package lang

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

func TestModesAndPrompts(t *testing.T) {
	c := newConsole(New())
	for _, x := range []struct{ line, prompt string }{
		{"", "0F2439>"},
		{"enable", "0F2439#"},
		{"configure", "0F2439(cfg)#"},
		{"context cs SWITCH", "0F2439(ctx-cs)[SWITCH]#"},
		{"interface sip IF", "0F2439(if-sip)[IF]#"},
		{"remote 192.0.2.1", "0F2439(if-sip)[IF]#"},
		{"", "0F2439(if-sip)[IF]#"},
		{"# a comment", "0F2439(if-sip)[IF]#"},
		{"routing-table called-e164 T", "0F2439(rt-tab)[T]#"}, // of the mode around
		{"exit", "0F2439(ctx-cs)[SWITCH]#"},
		{"location-service L", "0F2439(svc-ls)[L]#"},
		{"identity-group G", "0F2439(identity-group)[G]#"},
		{"registration outbound", "0F2439(regout)#"},
		{"port ethernet 0 1", "0F2439(prt-eth)[0 1]#"},
		{"system hostname sbc01", "sbc01(prt-eth)[0 1]#"},
		{"end", "sbc01#"},
		{"exit", "sbc01#"},
	} {
		c.types(x.line)
		if c.last.Prompt != x.prompt {
			t.Errorf("after %q: prompt %q, want %q", x.line, c.last.Prompt, x.prompt)
		}
	}
	if !c.last.Exit {
		t.Error("exit at # did not end the session")
	}
}

func TestAModeSurvivesALostConfiguration(t *testing.T) {
	c := configuringConsole(New())
	c.types("context cs SWITCH", "interface sip IF")
	c.box.cfg = config.New()
	out := c.types("remote 192.0.2.1")
	if !strings.HasSuffix(c.last.Prompt, "(cfg)#") || !strings.Contains(out, "unknown command") {
		t.Errorf("prompt %q, out %q", c.last.Prompt, out)
	}
}

// A line that was typed for an object which another session has deleted changes nothing around it.
func TestLinesOfADeletedObjectAreLeftOut(t *testing.T) {
	l := New()
	one, other := configuringConsole(l), configuringConsole(l)
	other.box = one.box
	one.types("context cs S", "no shutdown", "interface sip IF")
	other.types("context cs S", "no interface sip IF")
	out := one.types("shutdown", "country-code 49")
	if !one.box.cfg.CS[0].Enabled || one.box.cfg.CS[0].CountryCode != "" || !strings.Contains(out, "interface sip IF no longer exists") || !strings.HasSuffix(one.last.Prompt, "(?)#") {
		t.Errorf("%+v, prompt %s, said %s", one.box.cfg.CS[0], one.last.Prompt, out)
	}
	if out := one.types("exit", "country-code 49"); one.box.cfg.CS[0].CountryCode != "49" || !strings.Contains(out, "2 lines") {
		t.Errorf("%+v, said %s", one.box.cfg.CS[0], out)
	}
}

func TestWhatALineSays(t *testing.T) {
	for _, x := range []struct{ name, lines, want string }{
		{"a near miss is taken and named", "context cs S\nrouting-table called-el64 T", `% note: "called-el64" taken as called-e164`},
		{"two near misses", "context cs S\nmapping-table called-el64 to calling-el64 T", `"calling-el64" taken as calling-e164`},
		{"an ambiguous abbreviation lists what it may be", "e", "% ambiguous: \"e\" may be "},
		{"what is wrong gets a caret", "profile voip V\nsrtp transmission frced", `"frced" taken as forced`},
		{"a short word is not corrected", "profile voip V\nrtp rtxx", "  rtp rtxx\n      ^\n% unknown word \"rtxx\", expected rtcp-multiplexing or dscp\n"},
		{"a number out of range", "context ip R\ninterface I\nmtu 100", "  mtu 100\n      ^\n% octets must be 576 to 9000, not 100\n"},
		{"a missing word", "profile voip", "  profile voip\n              ^\n% incomplete: expected <name>\n"},
		{"an address", "dns-client server 1.2.3", `"1.2.3" is not an IPv4 or IPv6 address`},
		{"too much", "sntp-client what", "% unknown word \"what\", expected server"},
		{"a block outside of its context", "routing-table called-e164 T", "% note: taken into context cs SWITCH"},
		{"a block after an object of another context", "context ip ROUTER\nservice hunt-group H", "% note: taken into context cs SWITCH"},
		{"a line of another context outside of its block", "context cs S\nno shutdown\nexit\nshutdown", "% unknown command \"shutdown\""},
		{"no of a default", "context cs S\nrouting-table called-e164 T\nroute default dest-interface I\nno route default\nroute d dest-interface I\nno route d", ""},
		{"no effect", "profile voip V\nmedia-processing forced", "% note: taken, no effect: there is no DSP here"},
		{"abbreviated", "prof voip V\nsrtp tr fo", ""},
		{"no of something unset", "context sip-gateway G\ninterface I\nno transport-protocol tls\nno spoofed contact-header", ""},
		{"no of what is several things", "profile voip V\nno srtp", "incomplete: expected transmission or key-lifetime"},
		{"no without its key", "profile voip V\nno codec", "incomplete"},
		{"a bad key", "context cs S\nmapping-table e164 to e164 T\nmap (49 to 1", "key (49"},
		{"a question mark is a character", `context cs S` + "\n" + `mapping-table e164 to e164 T` + "\n" + `map (00)?49(...)?$ to \2`, ""},
		{"a name of no kind", "generate pki:certificate-reqest/x", "must be pki:private-key/NAME or pki:certificate-request/NAME or pki:certificate/NAME"},
		{"a kind without a name", "import pki:pkcs12", "pki:diffie-hellman-parameters/NAME or pki:pkcs12/NAME"},
		{"a name of another kind", "profile tls P\nprivate-key pki:certificate/X", "must be pki:private-key/NAME"},
		{"a dry run from nowhere", "show call-router trace nowhere called-e164 +49", "no such routing-table, service or interface sip: nowhere"},
		{"a license for another unit, by its comment", "# SIP Sessions, serial 4711 for 00aabb0f2439 [extra-sessions=20]", "% warning: the comment names unit 00AABB0F2439, this is 00A0BA0F2439"},
		{"a license for this unit, by its comment", "# SIP Sessions for 00a0ba0f2439", ""},
		{"a telephone number in a comment", "# call 004930123456 first", ""},
		{"a carriage return at the end", "sntp-client\r", ""},
		{"blanks that are not ASCII", "dns-client\u00a0server 192.0.2.1", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			out := configuringConsole(New()).types(strings.Split(x.lines, "\n")...)
			if x.want == "" && out != "" || !strings.Contains(out, x.want) {
				t.Errorf("said:\n%s\nwant:\n%s", out, x.want)
			}
		})
	}
}

func TestLinesNeedTheirMode(t *testing.T) {
	c := newConsole(New())
	if out := c.types("sntp-client"); !strings.Contains(out, "type enable and configure first") {
		t.Error(out)
	}
	c.s.Class = config.Operator
	if out := c.types("enable"); !strings.Contains(out, "not for operator accounts") {
		t.Error(out)
	}
	c.s.Mode = []string{"enable", "configure"} // a client may claim anything
	if out := c.types("sntp-client"); !strings.Contains(out, "only an administrator") || c.box.cfg.SNTP.Enabled {
		t.Error(out)
	}
}

func TestOperatorsSeeNoSecrets(t *testing.T) {
	c := configuringConsole(New())
	c.types("authentication-service A", "username u password secret1", "administrator anna password secret2", "end")
	if out := c.types("show running-config"); !strings.Contains(out, "secret1") || strings.Contains(out, "secret2") {
		t.Errorf("administrator sees %s", out)
	}
	c.s.Class = config.Operator
	if out := c.types("show running-config"); strings.Contains(out, "secret1") || strings.Contains(out, "$2a$") || !strings.Contains(out, "***") {
		t.Errorf("operator sees %s", out)
	}
}

// Whatever the configuration has of secrets, no view of an operator and no trail has one.
func TestNoViewHasASecret(t *testing.T) {
	c := newConsole(New())
	c.types("enable", "configure", "snmp-server", "community SECRET-c", "user noc authentication SECRET-a privacy SECRET-p", "exit", "metrics-server", "token SECRET-m-0123456789", "exit",
		"hep-client", "remote 192.0.2.9", "auth-key SECRET-h", "exit", "call-records", "post https://records.example.com/sbc token SECRET-r masked", "exit",
		"authentication-service A", "username u password SECRET-u", "no username u", "username u password SECRET-v", "end")
	if text := string(c.lang.Print(c.box.cfg, false)); strings.Count(text, "SECRET-") != 7 {
		t.Fatalf("not all is configured:\n%s", text)
	}
	if got := written(c.box); strings.Contains(got, "SECRET") || strings.Count(got, "***") < 8 {
		t.Errorf("the trail has\n%s", got)
	}
	c.s.Class, c.s.Mode = config.Operator, nil
	var out strings.Builder
	for _, line := range []string{"show running-config", "show config diff"} {
		c.lang.Exec(t.Context(), c.box, &c.s, line, nil, &out)
	}
	if strings.Contains(out.String(), "SECRET") || !strings.Contains(out.String(), "auth-key ***") || !strings.Contains(out.String(), "token *** masked") {
		t.Errorf("an operator sees\n%s", out.String())
	}
}

func TestNoRemovesWhatTheLineSet(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	c.types("end", "configure",
		"no system hostname", "no dns-client server 192.168.1.53", "no sntp-client server primary", "no sntp-client",
		"no profile tls pf_tls_default", "no profile voip pf_voip_microsoft", "no profile voip pf_voip_starface",
		"no context ip router", "no context cs SWITCH", "no authentication-service as_starface-sipaccounts",
		"no location-service ls_microsoft", "no location-service ls_starface",
		"no context sip-gateway gw_sip_lan_5060", "no context sip-gateway gw_sip_wan_5062", "no port ethernet 0 0", "no port ethernet 0 1")
	if text := string(l.Print(c.box.cfg, false)); text != "" {
		t.Errorf("left:\n%s", text)
	}
	same(t, config.New(), c.box.cfg)
}

func TestAnIndexMayBeLeftOut(t *testing.T) {
	c := configuringConsole(New())
	c.types("location-service L", "domain b", "domain c 5060", "domain 1 a", "domain c 5060")
	text := string(c.lang.Print(c.box.cfg, false))
	if text != "location-service L\n  domain 1 a\n  domain 2 c 5060\n" {
		t.Error(text)
	}
}

func TestOlderSnapshotsStayAsTheyWere(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types("context cs S", "mapping-table e164 to e164 T")
	for range 100 {
		c.types("map " + strings.Repeat("1", 1+len(c.box.cfg.CS[0].MappingTables[0].Maps)) + " to a")
	}
	old := c.box.cfg
	before := string(l.Print(old, false))
	c.types("map 2 to first")
	first := string(l.Print(c.box.cfg, false))
	one := c.box.cfg
	c.box.cfg = old // another change of the same snapshot
	c.types("map 3 to second", "map 1 to b", "no map 11", "shutdown")
	if got := string(l.Print(old, false)); got != before {
		t.Error("the old snapshot has changed")
	}
	if got := string(l.Print(one, false)); got != first {
		t.Error("a snapshot has changed by a change of another")
	}
}

func TestHelp(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	c.types("interface sip if_sip_starface")
	for _, x := range []struct{ line, words, insert string }{
		{"use profile voip pf_voip_m", "pf_voip_microsoft", "icrosoft "},
		{"use profile voip ", "pf_voip_microsoft pf_voip_starface <profile>", "pf_voip_"},
		{"hold-method ", "direction-attribute", "direction-attribute "},
		{"hold-method direction-attribute s", "sendonly", "endonly "},
		{"sess", "session-timer", "ion-timer "},
		{"session-timer ", "<seconds>", ""},
		{"trust m", "microsoft-teams <source>", "icrosoft-teams "},
		{"show run", "running-config", "ning-config "},
		{"show running-config ", "| <cr>", ""},
		{"no privac", "privacy", "y "},
		{"route call dest-table rt_from_s", "rt_from_starface <table>", "tarface "},
	} {
		h := l.Help(c.box, &c.s, x.line, len(x.line))
		var words []string
		for _, w := range h.Choices {
			words = append(words, w.Word)
		}
		if got := strings.Join(words, " "); !strings.HasPrefix(got, x.words) && got != x.words || h.Insert != x.insert {
			t.Errorf("%q: choices %q, insert %q; want %q, %q", x.line, got, h.Insert, x.words, x.insert)
		}
	}
	c.types("mapping-table e164 to e164 T")
	for line, text := range map[string]bool{"map ": false, "map (00)": true, "map 1 to x": true, "ma": false, "banner \"is it": true, "show ": false} {
		if h := l.Help(c.box, &c.s, line, len(line)); h.Text != text {
			t.Errorf("%q: ? is text: %v", line, h.Text)
		}
	}
}

func TestImportAsksForABlock(t *testing.T) {
	c := configuringConsole(New())
	c.types("import pki:certificate/MYCERTIFICATE")
	if c.last.Collect == nil || c.last.Collect.Kind != "pem" || !strings.HasPrefix(c.last.Collect.Prompt, "Paste the contents of the file") {
		t.Errorf("%+v", c.last)
	}
}

func TestCopyRunningConfig(t *testing.T) {
	c := configuringConsole(New())
	c.types("system hostname a", "copy running-config startup-config", "system hostname b", "copy startup-config running-config")
	if h := c.box.cfg.Hostname; h != "a" {
		t.Errorf("hostname %q", h)
	}
}

func TestAnythingCanBeTyped(t *testing.T) {
	c := configuringConsole(New())
	c.types("context cs S", "mapping-table e164 to e164 T")
	for name, line := range map[string]string{
		"many words":       strings.Repeat("map 1 to ", 6000),
		"many short words": strings.Repeat("a ", 30000),
		"one long word":    strings.Repeat("x", 60000),
		"quotes":           strings.Repeat(`"a `, 20000),
		"too long":         strings.Repeat("x", 10<<20),
		"backslashes":      `"` + strings.Repeat(`\`, 60000),
		"binary":           "\x00\x01\xff\xfe\x80 map \x00",
		"no no no":         strings.Repeat("no ", 20000),
		"a huge key":       "map (((((.*)*)*)*)*){1000} to 1",
	} {
		begin := worked(t)
		out := c.types(line)
		if d := worked(t) - begin; d > 10*time.Second || len(out) > 1000 { // it computes for a tenth of a second
			t.Errorf("%s: %v, %d bytes of answer: %.300s", name, d, len(out), out)
		}
	}
}

func TestBindInterfaceTakesBothOrders(t *testing.T) {
	for name, lines := range map[string][]string{
		"usual":                    {"context ip ROUTER", "interface eth0", "port ethernet 0 0", "bind interface ROUTER eth0"},
		"older":                    {"context ip ROUTER", "interface eth0", "port ethernet 0 0", "bind interface eth0 router"},
		"usual before the context": {"port ethernet 0 0", "bind interface ROUTER eth0", "context ip ROUTER", "interface eth0"},
		"older before the context": {"port ethernet 0 0", "bind interface eth0 router", "context ip ROUTER", "interface eth0"},
	} {
		c := configuringConsole(New())
		c.types(lines...)
		b := c.box.cfg.Ports[0].Bind
		if config.SameName(b.Context.Name) != "ROUTER" || b.Interface.Name != "eth0" {
			t.Errorf("%s: %+v", name, b)
		}
	}
}
