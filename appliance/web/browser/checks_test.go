package browser

import (
	"testing"
)

// A check is run by keyboard alone, and is the last one then.
func TestCheckByKeyboard(t *testing.T) {
	b := newBox(t, "sntp-client")
	p := b.login(t, "technician")
	p.open("/checks")
	p.waitText("Nothing was checked since the start")
	for range 100 {
		p.key("\t")
		if js[string](p, "document.activeElement.innerText?.trim() ?? ''") == "Check" && js[bool](p, `document.activeElement.matches("#run button")`) {
			break
		}
	}
	p.key("\r")
	p.waitText("Outcome of check all")
	p.wait(`document.querySelectorAll("#steps li").length >= 5`)
	p.look("checks")
	p.open("/checks") // it is the last one now
	p.waitText("Outcome of check all")
	p.open("/overview")
	p.wait(`document.querySelector('[aria-labelledby="check"] .badge.error')`)
}

// Without a script the whole outcome comes as a page. What is no check is refused in words.
func TestCheckWithoutAScript(t *testing.T) {
	p := sharedBox(t).login(t, "viewer")
	p.open("/checks")
	ask := func(of, domain string) string {
		return js[string](p, `fetch("/checks/run", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
			body: new URLSearchParams({ of: `+str(of)+`, domain: `+str(domain)+` }) }).then(async (r) => r.status + " " + new DOMParser().parseFromString(await r.text(), "text/html").querySelector("main").innerText)`)
	}
	for _, x := range []struct{ of, domain, code string }{{"all\nreload", "", "400 "}, {"federation", "", "400 "}, {"pbx", "", "200 "}, {"federation", "x y", "409 "}} {
		if said := ask(x.of, x.domain); said[:4] != x.code {
			t.Errorf("%q %q: %s", x.of, x.domain, said)
		}
	}
	if code := js[int](p, `fetch("/checks/cure", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
		body: new URLSearchParams({ lines: "no drain" }) }).then((r) => r.status)`); code != 400 {
		t.Errorf("an operator runs lines: %d", code)
	}
}
