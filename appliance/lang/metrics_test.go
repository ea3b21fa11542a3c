package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/lang/check"
)

const metricsProfile = "profile tls M\n private-key pki:private-key/m\n own-certificate 1 pki:certificate/m\n"

func TestMetricsServer(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(metricsProfile + "metrics-server\n use profile tls M\n token 0123456789abcdef\n access 192.168.1.30/32\n"))
	if len(problems) > 0 || cfg.MetricsProfile() == nil || cfg.Metrics.Port != 9443 {
		t.Fatal(problems, cfg.Metrics)
	}
	again, problems := l.Parse(l.Print(cfg, false))
	if len(problems) > 0 || string(l.Print(again, false)) != string(l.Print(cfg, false)) {
		t.Errorf("%v\n%s", problems, l.Print(cfg, false))
	}
	if masked := string(l.Print(cfg, true)); strings.Contains(masked, "0123456789abcdef") {
		t.Errorf("an operator sees\n%s", masked)
	}
	if said := problemLines(l.Check(cfg, check.Env{})); strings.Contains(said, "nothing listens") {
		t.Errorf("%s", said)
	}
	for text, want := range map[string]string{
		"metrics-server\n token 0123456789abcdef\n":                                    "has no profile tls",
		"metrics-server\n use profile tls M\n token short\n":                           "fewer than 16 characters",
		"metrics-server\n use profile tls M\n token $sealed$zz\n":                      "sealed by another box",
		"metrics-server\n use profile tls M\n":                                         "anybody could read",
		" authentication incoming\nmetrics-server\n use profile tls M\n":               "anybody could read",
		"profile tls N\nmetrics-server\n use profile tls N\n token 0123456789abcdef\n": "shows no certificate",
	} {
		cfg, problems := l.Parse([]byte(metricsProfile + text))
		if len(problems) > 0 {
			t.Error(problems)
		}
		if said := problemLines(l.Check(cfg, check.Env{})); !strings.Contains(said, want) {
			t.Errorf("%q is not said of %s:\n%s", want, text, said)
		}
		if want != "fewer than 16 characters" && want != "sealed by another box" && cfg.MetricsProfile() != nil {
			t.Errorf("it listens with %s", text)
		}
	}
	cfg, _ = l.Parse([]byte(metricsProfile + " authentication incoming\n trusted-certificate pki:certificate/ca\nmetrics-server\n use profile tls M\n"))
	if cfg.MetricsProfile() == nil {
		t.Error("a certificate of one's own is not enough")
	}
}
