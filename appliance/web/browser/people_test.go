package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
)

// From a presence-service that somebody has typed to the certificate, the test, and the table of users.
func TestPresenceIsSetUp(t *testing.T) {
	b := newBox(t,
		"presence-service TEAMS", "tenant contoso.onmicrosoft.com", "application 11111111-2222-3333-4444-555555555555", "exit",
		"location-service LS", "identity user.01", "exit", "identity user.02", "exit", "exit")
	p := b.login(t, "technician")
	p.open("/people")
	p.waitText("TEAMS")
	p.click("Set up and test")
	p.waitText("There is no certificate yet")
	if link := p.text("#link"); link != "https://login.microsoftonline.com/contoso.onmicrosoft.com/adminconsent?client_id=11111111-2222-3333-4444-555555555555" {
		t.Errorf("the consent link is %q", link)
	}
	p.click("Make a certificate")
	p.waitText("The certificate is made. Upload it in Entra now.")
	p.waitText("pki:certificate/TEAMS")
	if pem := p.text("#pem"); !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----") || strings.Contains(pem, "PRIVATE") {
		t.Errorf("to be uploaded is %q", pem)
	}
	if x := p.text("#thumbprint"); len(x) != 40 {
		t.Errorf("the thumbprint is %q", x)
	}
	if !strings.Contains(b.running(t), "certificate pki:certificate/TEAMS") {
		t.Error("the service does not sign in with the certificate")
	}
	p.look("people-service")

	js[bool](p, `document.querySelector("#run button").click() ?? true`)
	p.waitText("Something fails") // there is no name server
	p.wait(`document.querySelectorAll("#steps li").length >= 3`)
	p.look("people-test")

	p.fill("table", "Entra name;Identity;Extension\nanna@contoso.com;USER.01;21\nben@contoso.com;nobody\n")
	p.click("See what would become of it")
	p.waitText("some lines are left out")
	p.waitText("no location-service has an identity nobody")
	p.look("people-preview")
	if strings.Contains(b.running(t), "anna@contoso.com") {
		t.Error("the table was taken before anybody has said so")
	}
	p.click("Take it")
	p.waitText("1 user taken")
	if text := b.running(t); !strings.Contains(text, "user anna@contoso.com identity user.01 extension 21") || strings.Contains(text, "ben@") {
		t.Errorf("the configuration is %s", text)
	}
}

// running is the running configuration.
func (b *box) running(t testing.TB) string {
	t.Helper()
	var text strings.Builder
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: "show running-config"}, func(a wire.Answer) error {
		text.WriteString(a.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Users of Teams as they are, for those who only look: no box of a test has such.
func TestPresenceOfUsers(t *testing.T) {
	b := newBox(t)
	now := time.Now().Add(-time.Minute)
	working := status.PresenceService{
		Name: "TEAMS", State: status.PresenceWorking, Since: now.Add(-3 * time.Hour), Tenant: "contoso.onmicrosoft.com", Application: "11111111-2222-3333-4444-555555555555", Cloud: "global",
		Interval: 10 * time.Second, Polled: now, Latency: 84 * time.Millisecond, Read: now.Add(-20 * time.Minute), Directory: 412, Matched: 6,
		Reports: status.PresenceSink{State: status.SinkTelling, Since: now}, Starface: status.PresenceSink{State: status.SinkFailing, Since: now, Error: "the STARFACE refuses the password"},
		Problems: []status.PresenceProblem{{User: "info@contoso.com", Why: "no location-service has an identity info"}, {User: "boss@contoso.com", Why: "user.01 is that of anna.muster@contoso.com by a `user` line"}},
		Users: []status.PresenceUser{
			{Name: "anna.muster@contoso.com", Identity: "user.01", Extension: "21", State: "do-not-disturb", Since: now, Refuse: 486, Published: true, Starface: true, Line: status.LineFree},
			{Name: "ben.mit-einem-sehr-langen-namen@niederlassung-sued.contoso.com", Identity: "user.02", Extension: "user.02", State: "in-a-call", Since: now, Line: status.LineBusy, Busy: now, Session: status.SessionSet},
			{Name: "carla@contoso.com", Identity: "user.03", Extension: "23", State: "available", Since: now, Line: status.LineUnknown, Error: "setting presence: the user has no licence for Teams (404)"},
			{Name: "dora@contoso.com", Identity: "user.04", Extension: "24", State: "away", Since: now, Line: status.LineCarried, Busy: now},
			{Name: "emil@contoso.com", Identity: "user.05", Extension: "25", State: "off-work", Since: now, Line: status.LineFree},
			{Name: "frida\x1b[2J@contoso.com", Identity: "user.06", Extension: "26", Line: status.LineUnknown},
		},
	}
	refused := status.PresenceService{
		Name: "BRANCH", State: status.PresenceRefused, Tenant: "branch.example", Cloud: "global", Interval: 10 * time.Second, Failures: 7,
		Error: "signing in: the secret has expired (AADSTS7000222)", Cure: "Make a new one in Entra, under \"Certificates & secrets\", and configure it. Better use a certificate: `generate presence-certificate`.",
	}
	for n := range 260 {
		refused.Users = append(refused.Users, status.PresenceUser{Name: fmt.Sprintf("u%03d@branch.example", n), Identity: fmt.Sprintf("u%03d", n), Extension: "1"})
	}
	b.pretend("presence", status.Presence{Services: []status.PresenceService{working, refused}})
	p := b.login(t, "viewer")
	p.open("/people")
	p.waitText("do not disturb")
	p.waitText("The first 200 of 260 are shown")
	p.fill("q", "contoso")
	p.click("Find")
	p.waitText("Nobody fits")
	p.wait(`document.querySelectorAll("tr .badge").length >= 6 && !document.querySelector("main").innerText.includes("u000")`)
	p.click("2 users are not matched")
	p.waitText("no location-service has an identity info")
	p.look("people")
	if text := p.text("main"); !strings.Contains(text, `frida\x1b[2J`) || strings.Contains(text, "\x1b") {
		t.Error("a name that hides something is shown as it came")
	}
	p.open("/people/service?name=TEAMS")
	p.waitText("contoso.onmicrosoft.com")
	if js[int](p, `document.querySelectorAll("main form, #pem").length`) != 0 {
		t.Error("an operator is offered what only administrators may do")
	}
	p.click("viewer")
	p.click("Deutsch")
	p.waitText("Einwilligung eines Administrators")
	p.open("/people")
	p.waitText("nicht stören")
	p.look("people-de")
}

func TestNoPresenceService(t *testing.T) {
	p := sharedBox(t).login(t, "technician")
	p.open("/people")
	p.waitText("No presence-service is configured.")
	p.look("people-none")
}
