package browser

import (
	"net/url"
	"strings"
	"testing"
)

// The steps of the set-up, one after the other, on a box with a few accounts and no calls.
func TestSetupAsksStepByStep(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "technician")
	p.open("/setup")
	p.waitText("Have at hand")
	p.click("Begin")
	p.wait(`location.pathname === "/setup/box"`)
	p.click("Next") // with nothing
	p.waitText("This is needed.")
	p.look("setup-box")
	p.fill("box.fqdn", "sbc.meinefirma.onmicrosoft.com")
	p.click("Next")
	p.waitText("use a domain of your own")
	p.fill("box.fqdn", "sbc.meinefirma.de")
	p.fill("box.name", "sbc-wand")
	p.wait(`true`)
	p.open("/setup/box") // a reload
	p.wait(`document.querySelector('[name="box.name"]').value === "sbc-wand"`)
	p.click("Next")
	p.wait(`location.pathname === "/setup/network"`)
	p.fill("network.wan", "123.123.123.123/28")
	p.fill("network.gateway", "123.123.123.113")
	p.fill("network.dns", "192.168.1.53")
	p.look("setup-network")
	p.click("Next")
	p.wait(`location.pathname === "/setup/pbx"`)
	p.fill("pbx.address", "192.168.1.100")
	// The session ends under the user's hands: what is typed stays, and goes on with the next session.
	p.send("/logout", "")
	p.fill("pbx.name", "starface.meinefirma.de")
	p.click("Next")
	p.waitText("nothing that you have typed is lost")
	p.send("/login", "step=login&user=technician&password="+url.QueryEscape(password))
	p.click("Next")
	p.wait(`location.pathname === "/setup/numbers"`)
	p.click("Next")
	p.wait(`location.pathname === "/setup/users"`)
	p.fill("table", "Nummer;Konto;Passwort;UPN\n+497123222;user.01;geheim-1;<b>anna</b>@meinefirma.de\n+497123223;user 02;geheim-2;\n")
	p.click("Next")
	p.waitText("1 line is not taken")
	p.waitText("<b>anna</b>@meinefirma.de")
	p.look("setup-users")
	if text := js[string](p, "document.documentElement.outerHTML"); strings.Contains(text, "geheim-1") {
		t.Error("the browser is told a password that the box keeps")
	}
	p.fill("table", "")
	p.click("Next")
	p.wait(`location.pathname === "/setup/teams"`)
	p.click("Next")
	p.wait(`location.pathname === "/setup/certificate"`)
	p.click("Next")
	p.wait(`location.pathname === "/setup/review"`)
	p.waitText("lines come")
	p.look("setup-review")
	if text := js[string](p, "document.documentElement.outerHTML"); strings.Contains(text, "geheim-1") {
		t.Error("the browser is told a password that the box keeps")
	}
	p.click("Apply on trial")
	p.waitText("The configuration runs on trial")
	p.look("setup-keys")
	p.click("Take back")
	p.waitText("The old configuration is back.")
	p.wait(`location.pathname === "/setup/review"`)
	p.click("Apply on trial")
	p.waitText("The configuration runs on trial")
	p.click("Keep and save")
	p.waitText("The configuration stays, and is saved.")
	p.click("key and request made by the box")
	p.wait(`document.querySelector('[name="name"]').value === "teams"`)
	p.open("/setup/keys")
	p.click("a PFX file or an encrypted key")
	p.wait(`document.querySelector('[name="name"]').value === "teams"`)
	p.open("/setup/review") // what runs is what the answers make
	p.waitText("nothing changes")
	p.open("/setup/tenant")
	p.waitText("New-CsOnlinePSTNGateway -Fqdn 'sbc.meinefirma.de'")
	p.look("setup-tenant")
	p.open("/setup/check")
	p.look("setup-check")
}

// send sends a form as another window of the same browser would.
func (p *tab) send(path, values string) {
	p.t.Helper()
	js[bool](p, `fetch(`+str(path)+`, {
		method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content }, body: `+str(values)+`,
	}).then(() => true)`)
}

// The same in German; and everything has a text, in whatever state it is.
func TestSetupInGerman(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "technician")
	p.send("/language", "language=de&back=/")
	p.open("/setup")
	p.click("Beginnen")
	p.wait(`location.pathname === "/setup/box"`)
	p.click("Weiter")
	p.waitText("Diese Angabe fehlt.")
	p.open("/setup/users")
	p.fill("table", "+497123222;a b;x\n0;user;x\n+497123224;user;\n")
	p.click("Weiter")
	p.waitText("3 Zeilen sind nicht übernommen.")
	for _, step := range []string{"network", "pbx", "numbers", "users", "teams", "certificate", "review", "keys", "tenant", "check"} {
		p.open("/setup/" + step)
		p.waitText("Schritt ")
		if text := p.text("main"); strings.Contains(text, "setup.") || strings.Contains(text, "%!") {
			t.Errorf("%s: a text is missing:\n%s", step, text)
		}
	}
}
