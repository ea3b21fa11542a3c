package setup

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/web/page"
	"viaduct/appliance/wizard"
)

// What somebody types belongs to the account, for a while; the oldest gives way when there are many.
func TestDraftsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := drafts{of: map[string]*draft{}}
		first := l.put("user 0", &draft{})
		if l.put("user 0", &draft{}) != first || l.find("user 0") != first {
			t.Error("what came meanwhile is lost")
		}
		for n := 1; n <= maxDrafts; n++ {
			time.Sleep(time.Minute)
			l.put(fmt.Sprintf("user %d", n), &draft{})
		}
		if len(l.of) != maxDrafts || l.find("user 0") != nil || l.find("user 1") == nil {
			t.Errorf("there are %d drafts, and not the oldest gave way", len(l.of))
		}
		time.Sleep(longest - time.Minute)
		l.find("user 1")
		time.Sleep(2 * time.Minute)
		if l.find("user 1") == nil || len(l.of) != 1 {
			t.Errorf("%d drafts are left that nobody visits", len(l.of))
		}
	})
}

// A browser decides what it sends: fields of other steps, fields that nobody knows and values without end are left out.
func TestAStepTakesItsOwnAnswersOnly(t *testing.T) {
	d := &draft{Answers: wizard.Defaults()}
	r := httptest.NewRequest("POST", "/setup/box", nil)
	r.PostForm = url.Values{
		"box.fqdn": {"sbc.example.com"}, "network.lan": {"10.0.0.1/8"}, "box.zone": {strings.Repeat("x", maxValue+1)}, "box.unknown": {"x"}, "network.uplink": {"dhcp"},
	}
	take(&page.Request{HTTP: r}, d, "box")
	want := wizard.Defaults()
	want.Box.FQDN = "sbc.example.com"
	if fmt.Sprint(d.Answers) != fmt.Sprint(want) {
		t.Errorf("taken: %+v", d.Answers)
	}
}

// An issuer that is trusted while somebody is in the set-up, because its own check has said so, stays trusted when the answers are applied once more.
func TestAnIssuerThatIsTrustedMeanwhileStays(t *testing.T) {
	d := &draft{Answers: wizard.Defaults()}
	now := strings.Replace(wizard.Configuration(d.Answers, false), "  require certificate-type server\n",
		"  trusted-certificate pki:certificate/BUILT-IN\n  trusted-certificate pki:certificate/Other\n  require certificate-type server\n", 1)
	if removed, _ := wizard.Difference(now, wizard.Read(now), d.Answers, false); len(removed) != 2 {
		t.Fatalf("without a look at what runs they would go: %v", removed)
	}
	d.unasked(now)
	if removed, _ := wizard.Difference(now, wizard.Read(now), d.Answers, false); len(removed) != 0 {
		t.Errorf("these would go: %v", removed)
	}
}

// Who decides where the browser goes next is the page, not the browser.
func TestTheWayBackLeadsToAStep(t *testing.T) {
	for path, want := range map[string]string{"/setup/tenant": "/setup/tenant", "https://evil.example/": "/setup/keys", "//evil.example": "/setup/keys", "/setup/../x": "/setup/keys", "": "/setup/keys"} {
		if got := within(path); got != want {
			t.Errorf("%q leads to %s", path, got)
		}
	}
	if next("check") != "/setup/check" || next("box") != "/setup/network" {
		t.Error("the steps are out of order")
	}
}

// The page moves when the address in its own URL is the one that changes.
func TestWhereThePageIsAfterwards(t *testing.T) {
	before := wizard.Defaults()
	after := before
	after.Network.LAN = "10.1.0.2 255.255.0.0"
	for host, want := range map[string]string{
		"192.168.1.1": "https://10.1.0.2/setup/keys", "192.168.1.1:8443": "https://10.1.0.2:8443/setup/keys", "sbc01": "", "123.123.123.123": "",
	} {
		r := httptest.NewRequest("GET", "/setup/review", nil)
		r.Host = host
		q := &page.Request{HTTP: r}
		if got, minutes := moves(q, after, before); got != want || want != "" && minutes != minutesMoved || want == "" && minutes != minutesHere {
			t.Errorf("%s moves to %q, for %d minutes", host, got, minutes)
		}
		if got, _ := moves(q, before, before); got != "" {
			t.Errorf("%s moves to %q although nothing changes", host, got)
		}
	}
}

// Every word of package wizard has its sentence, with as many arguments as it has.
func TestEveryFaultHasItsSentence(t *testing.T) {
	text, err := os.ReadFile("../page/words/setup.txt")
	if err != nil {
		t.Fatal(err)
	}
	for fault, args := range wizard.Faults {
		_, rest, ok := strings.Cut(string(text), "\nsetup.fault."+fault+"\n")
		if !ok {
			t.Errorf("%s has no sentence", fault)
			continue
		}
		for _, line := range strings.SplitN(rest, "\n", 3)[:2] {
			if n := strings.Count(line, "%s"); n != args {
				t.Errorf("%s has %d arguments, and the sentence %q", fault, args, line)
			}
		}
	}
	for _, reason := range wizard.Reasons {
		if !strings.Contains(string(text), "\nsetup.reason."+reason+"\n") {
			t.Errorf("%s has no sentence", reason)
		}
	}
}
