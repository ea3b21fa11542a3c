package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

func TestAdministratorsRenewAndTestCertificates(t *testing.T) {
	l, b := New(), busyBox{newBox()}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
	for line, want := range map[string]string{
		"acme renew sbc": "Renewing sbc now: see show acme\n",
		"acme renew x":   "% there is no profile acme x: `show acme` lists them\n",
		"acme test sbc":  "Clock: right\n% a certificate would not be obtained\n",
	} {
		var out strings.Builder
		l.Exec(t.Context(), b, s, line, nil, &out)
		if out.String() != want {
			t.Errorf("%s: %s", line, out.String())
		}
	}
	s.Class, s.Mode = config.Operator, nil
	var out strings.Builder
	if l.Exec(t.Context(), b, s, "acme renew sbc", nil, &out); !strings.Contains(out.String(), "administrators") {
		t.Errorf("an operator: %s", out.String())
	}
}

const acmeProfiles = `profile tls T
  private-key pki:private-key/other
  own-certificate 1 pki:certificate/sbc
  own-certificate 2 pki:certificate/CA
profile acme sbc
  name SBC.example.com.
  name sbc2.example.com
  directory https://acme.example.com/directory ca pki:certificate/THEIRCA
  contact admin@example.com
  challenge tls-alpn
  external-account kid-1 "no base64"
  proxy http://192.168.1.9:3128
profile acme again
  name again.example.com
  certificate pki:certificate/sbc
profile acme empty
`

// TestProfilesOfCertificates checks what the lines mean, their problems, and that the MAC key is a secret.
func TestProfilesOfCertificates(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(acmeProfiles))
	if len(problems) > 0 || len(cfg.ACME) != 3 {
		t.Fatal(problems, cfg.ACME)
	}
	p := cfg.ACME[0]
	certificate, key := p.Target()
	if strings.Join(p.Names, " ") != "sbc.example.com sbc2.example.com" || certificate != "pki:certificate/sbc" || key != "pki:private-key/sbc" || p.DirectoryCA != "pki:certificate/THEIRCA" {
		t.Errorf("%+v", p)
	}
	if q := cfg.ACME[2]; q.Directory != config.LetsEncrypt || q.Challenge != config.ChallengeDNS {
		t.Errorf("defaults: %+v", q)
	}
	if masked := string(l.Print(cfg, true)); strings.Contains(masked, "no base64") || !strings.Contains(masked, "external-account kid-1") {
		t.Errorf("an operator sees\n%s", masked)
	}
	said := problemLines(l.Check(cfg, check.Env{}))
	for _, want := range []string{
		"profile acme empty has no name", "the MAC key is not in base64url", "profile acme sbc and again both write pki:certificate/sbc",
		"brings its chain along", "no own-certificate 2 pki:certificate/CA", "the private key of pki:certificate/sbc is pki:private-key/sbc",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	for _, line := range []string{"name 192.0.2.1", "name localhost", "name *.example.com", "directory http://acme.example.com/", "directory https://a:b@acme.example.com/",
		"contact nobody", "contact a@b?cc=c@d", "proxy https://192.168.1.9", "proxy http://a:b@192.168.1.9", "challenge mail"} {
		if _, problems := l.Parse([]byte("profile acme sbc\n  " + line + "\n")); len(problems) == 0 {
			t.Errorf("%q is taken", line)
		}
	}
}
