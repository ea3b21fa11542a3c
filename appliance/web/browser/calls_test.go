package browser

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/console/client"
	"viaduct/appliance/lab"
)

// labBox is a box between a STARFACE and Teams, with calls that are real.
func labBox(t testing.TB) (*box, *lab.World) {
	t.Helper()
	where, err := programs() // the first to ask builds them: that is not counted against the box
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := lab.New(ctx, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &box{t: t, dir: t.TempDir(), programs: programs}
	sbc, err := w.StartBox(ctx, lab.Programs{SBCD: where + "/sbcd", Consoled: where + "/consoled", State: b.dir})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.Paste(lab.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := sbc.Paste(ctx, text); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.client = client.New(sbc.Socket, patience)
	b.configure(t, accounts...)
	b.address = freePort(t)
	b.url = "https://" + b.address.String()
	b.proxy(t, sbc.Socket, filepath.Join(b.dir, "web.sock"))
	b.startConsoled(t)
	t.Cleanup(func() {
		if err := b.consoled.end(); err != nil {
			t.Error(err)
		}
		b.socket.Close()
	})
	if err := errors.Join(w.Starface.WaitRegistered(ctx, 3), w.Teams.WaitActive(ctx)); err != nil {
		t.Fatal(err)
	}
	return b, w
}

// callerName is that of a caller who would like to be more than text.
const callerName = `<img src=x onerror="document.title='owned'"><b>Bo</b>`

// A call appears by itself, opens as a ladder whose messages open by keyboard, and is found afterwards by its number.
func TestACallIsSeenFromBeginningToEnd(t *testing.T) {
	b, w := labBox(t)
	p := b.login(t, "technician")
	p.open("/calls")
	p.waitText("No call at the moment.")
	p.shoot("calls-none")
	p.axe("calls-none")

	out, err := w.Starface.Call(t.Context(), lab.Ring{From: "+4930987654", Name: strings.ReplaceAll(callerName, `"`, "'")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Hangup(context.WithoutCancel(t.Context()))
	in, err := w.Teams.NextCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.WaitUp(t.Context()), in.WaitUp(t.Context())); err != nil {
		t.Fatal(err)
	}
	p.waitText("connected") // by itself
	p.waitText("+4930987654")
	p.waitText("<b>Bo</b>")
	p.waitText("good") // the score of a voice
	p.resize(1280, false)
	if n := js[int](p, `(() => { const r = document.createRange(); r.selectNodeContents(document.querySelector("td strong.caller")); return r.getClientRects().length })()`); n != 1 {
		t.Errorf("the number of the caller is broken into %d lines", n)
	}
	p.look("calls-live")
	if list := p.tabThrough(); !slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "End") }) || !slices.Contains(list, "+4930987654") {
		t.Errorf("Tab passes %q", list)
	}

	p.click("+4930987654")
	p.waitText("What became of it")
	p.wait(`document.querySelectorAll("svg.ladder a.step").length > 8`)
	p.waitText("PCMA")
	p.wait(`document.querySelectorAll("figure.course").length === 6`) // three figures of each side
	p.shoot("call-live")
	p.axe("call-live")
	// Keyboard alone: the first message has the focus, Enter opens it, Escape closes it.
	js[bool](p, `(() => { document.querySelector("svg.ladder a.step").focus(); return true; })()`)
	p.key("\r")
	p.wait(`document.querySelector("dialog#message").open && document.querySelector("dialog#message pre").innerText.startsWith("INVITE sip:")`)
	if text := p.text("dialog#message pre"); strings.Contains(text, "inline:") && !strings.Contains(text, "inline:x") {
		t.Errorf("a key is shown: %s", text)
	}
	p.look("call-message")
	p.key("\x1b")
	p.wait(`!document.querySelector("dialog#message").open && document.activeElement.matches("svg.ladder a.step")`)
	if bad := js[bool](p, `document.title.includes("owned") || !!document.querySelector("main img, main b")`); bad {
		t.Error("the caller's name is more than text")
	}
	if name := p.file(t, js[string](p, `document.querySelector('a[href$=".pcapng"]').getAttribute("href")`)); !strings.HasPrefix(name, "\x0a\x0d\x0d\x0a") {
		t.Errorf("the capture begins with %q", name[:min(len(name), 20)])
	}

	// An operator sees the same, and has no button and no text.
	viewer := b.login(t, "viewer")
	viewer.open(js[string](p, "location.pathname"))
	viewer.wait(`document.querySelectorAll("svg.ladder g.step").length > 8`)
	if js[bool](viewer, `!!document.querySelector('a.danger, svg.ladder a, a[href$=".pcapng"]')`) {
		t.Error("an operator is offered what is for administrators")
	}
	if status := js[int](viewer, `fetch(location.pathname + "/end", { method: "POST", headers: { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content, "X-Viaduct": "script" } }).then((r) => r.status)`); status != 403 {
		t.Errorf("an operator ends a call: %d", status)
	}
	viewer.open(js[string](p, "location.pathname") + "/message/1")
	viewer.waitText("Your account may not do this.")

	p.click("End the call")
	p.waitText("Both sides are cut off at once.")
	p.shoot("call-end")
	p.axe("call-end")
	p.click("End the call")
	p.wait(`location.pathname === "/calls"`)
	if end, err := in.WaitOver(t.Context()); err != nil {
		t.Errorf("%+v %v", end, err)
	}
	p.waitText("No call at the moment.")

	p.open("/calls")
	p.fill("number", "987654")
	p.submit()
	p.wait(`location.search.includes("987654") && document.querySelector("#past").closest("section").querySelectorAll("tbody tr").length === 1`)
	p.waitText("cleared")
	p.shoot("calls-found")
	p.axe("calls-found")
	if csv := p.file(t, js[string](p, `document.querySelector('a[href*=".csv"]').getAttribute("href")`)); !strings.HasPrefix(csv, "id,") || strings.Count(csv, "+4930987654") == 0 {
		t.Errorf("the table is %.300q", csv)
	}
	js[bool](p, `(() => { document.querySelector("#past").closest("section").querySelector("tbody a").click(); return true; })()`)
	p.waitText("What became of it")
	p.wait(`document.querySelectorAll("svg.ladder a.step").length > 10`)
	p.look("call-ended")
	p.open("/calls?number=000111222")
	p.waitText("No call fits.")

	p.open("/peers")
	p.waitText("reachable")
	p.waitText("registered")
	p.look("peers")
	js[bool](p, `(() => { document.querySelector('a[href$="drain?interface=if_sip_starface"]').click(); return true; })()`)
	p.waitText("Calls in progress go on")
	p.click("Take out of service")
	p.waitText("is being taken out of service")
	p.shoot("peers-drain")
	p.axe("peers-drain")
	js[bool](p, `(() => { document.querySelector('form[action="/peers/undrain"] button').click(); return true; })()`)
	p.wait(`location.pathname === "/peers" && !document.querySelector("main .notice.warning")`)

	p.click("technician")
	p.click("Deutsch")
	p.waitText("Gegenstellen")
	p.resize(360, false)
	p.shoot("peers-de")
	p.open("/calls?number=987654")
	p.waitText("Vergangene Anrufe")
	p.shoot("calls-de")
	if wide := js[int](p, "document.documentElement.scrollWidth"); wide > 360 {
		t.Errorf("the page is %d pixels wide in German", wide)
	}
}

// file is what stands at an address, for this user.
func (p *tab) file(t testing.TB, path string) string {
	t.Helper()
	return js[string](p, `fetch(`+str(path)+`).then((r) => r.blob()).then((b) => b.text())`)
}
