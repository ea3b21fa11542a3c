package browser

import (
	"errors"
	"strings"
	"testing"

	"viaduct/appliance/api/wire"
)

// command runs a command as root.
func (b *box) command(t testing.TB, line string) {
	t.Helper()
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, Yes: true}, func(a wire.Answer) error {
		if a.Done && a.Status != wire.OK {
			return errors.New(a.Why)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

// A box from the factory says what is to be done first. An alarm that is raised in the running box appears without a reload, and so does its
// end: the cure is applied, after a question, in the name of the user.
func TestOverviewAndItsAlarms(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "technician")
	p.open("/overview")
	p.waitText("This box is not set up yet")
	p.waitText("Begin the set-up")
	p.look("overview-new")

	// The page stands open while somebody at the console drains the box.
	p.wait(`!document.body.innerText.includes("being taken out of service")`)
	b.command(t, "drain")
	p.waitText("A part of the box, or all of it, is being taken out of service")
	p.look("overview-alarm")
	p.open("/alarms")
	for _, alarm := range []string{"no-gateway", "out-of-service"} {
		p.wait(`document.querySelector('button[aria-label^="Acknowledge: ` + alarm + `"]') !== null`)
	}
	js[bool](p, `document.querySelector('button[aria-label^="Acknowledge: no-gateway"]').click() ?? true`)
	p.waitText("acknowledged by technician")
	p.click("Apply")
	p.waitText("Run these lines?")
	p.waitText("no drain")
	p.axe("the question about a cure")
	p.shoot("cure")
	p.click("Run them")
	p.wait(`location.pathname === "/alarms"`)
	p.waitText("Done.")
	p.wait(`!document.querySelector('[data-live="alarms.now"]').innerText.includes("out of service")`)
	p.wait(`document.querySelector('[data-live="alarms.past"]').innerText.includes("out-of-service")`)
	p.look("alarms")
}

// An operator sees alarms and their cures, and can neither run nor acknowledge them.
func TestAnOperatorLooksAtAlarms(t *testing.T) {
	p := sharedBox(t).login(t, "viewer")
	p.open("/alarms")
	p.waitText("No gateway is configured")
	if text := p.text("main"); strings.Contains(text, "Acknowledge") || strings.Contains(text, "Apply") {
		t.Errorf("an operator is offered what is not for him: %s", text)
	}
	if code := js[int](p, `fetch("/alarms/acknowledge", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
		body: new URLSearchParams({ id: "no-gateway", subject: "" }) }).then((r) => r.status)`); code != 409 {
		t.Errorf("acknowledged by an operator: %d", code)
	}
}

// Graphs have a description and a table, and their titles lead to the larger ones.
func TestGraphsOfTheDay(t *testing.T) {
	p := sharedBox(t).login(t, "viewer")
	p.open("/overview")
	p.wait(`document.querySelectorAll("figure.graph").length === 7`)
	p.click("Processors")
	p.wait(`location.pathname === "/overview/day"`)
	missing := js[[]string](p, `[...document.querySelectorAll("figure.graph .plot svg")].filter((s) => {
		const named = s.getAttribute("aria-labelledby").split(" ").map((id) => document.getElementById(id)?.textContent.trim());
		return s.getAttribute("role") !== "img" || named.length !== 2 || named.some((n) => !n);
	}).map((s) => s.outerHTML.slice(0, 200))`)
	if len(missing) > 0 {
		t.Errorf("without a text: %q", missing)
	}
	p.wait(`[...document.querySelectorAll("figure details")].length === 7`)
	js[bool](p, `(() => { document.querySelectorAll("figure details").forEach((d) => (d.open = true)); return true; })()`)
	p.look("day")
}

func TestOverviewInGerman(t *testing.T) {
	p := sharedBox(t).login(t, "viewer")
	p.click("viewer")
	p.click("Deutsch")
	p.waitText("Übersicht")
	p.open("/overview")
	p.waitText("Diese Box ist noch nicht eingerichtet")
	p.waitText("Kein Gateway ist konfiguriert")
	p.resize(360, false)
	p.axe("overview in German")
	p.shoot("overview-de-360")
	for path, says := range map[string]string{"/alarms": "Frühere Alarme", "/checks": "Können Gespräche funktionieren?", "/log": "Neue Zeilen erscheinen von selbst", "/overview/day": "Die letzten 24 Stunden in Zahlen"} {
		p.open(path)
		p.waitText(says)
		p.axe(path + " in German")
	}
}
