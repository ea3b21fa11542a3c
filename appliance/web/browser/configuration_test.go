package browser

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
)

// edits are a box with two contexts of lines to change.
var edits = []string{
	"system hostname before", "clock local zone Europe/Berlin", "context ip ROUTER", "interface LAN", "ipaddress LAN 192.0.2.1/24", "exit", "exit",
	"authentication-service A", "username u password geheim", "exit",
}

// rewrites replaces a text in the editor, as a user who types does.
func (p *tab) rewrites(old, fresh string) {
	p.t.Helper()
	if !js[bool](p, `(() => {
		const area = document.getElementById("text");
		const at = area.value.indexOf(`+str(old)+`);
		if (at < 0) return false;
		area.focus();
		area.setSelectionRange(at, at + `+str(old)+`.length);
		return document.execCommand("insertText", false, `+str(fresh)+`);
	})()`) {
		p.t.Fatalf("%q is not in the editor: %s", old, p.editor())
	}
}

// editor is the text in the editor.
func (p *tab) editor() string { return js[string](p, `document.getElementById("text").value`) }

// edit opens the editor.
func (p *tab) edit() {
	p.t.Helper()
	p.open("/configuration")
	p.wait(`document.querySelector(".paint .row .c-key")`)
}

// apply applies the text in the editor, and waits until what runs then stands there.
func (p *tab) apply() {
	p.t.Helper()
	before := js[string](p, `document.getElementById("configuration").dataset.tag`)
	p.click("Apply")
	p.wait(`document.getElementById("configuration").dataset.tag !== ` + str(before))
}

// exec runs a line in the mode of administrators, as root, and returns what it prints.
func (b *box) exec(t testing.TB, line string) string {
	t.Helper()
	var out strings.Builder
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line}, func(a wire.Answer) error {
		out.WriteString(a.Text)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out.String()
}

// hostname is that of the box.
func (b *box) hostname(t testing.TB) string {
	t.Helper()
	text := b.exec(t, "show running-config")
	_, rest, _ := strings.Cut(text, "system hostname ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// commit is the change that waits.
func (b *box) commit(t testing.TB) (c status.Commit) {
	t.Helper()
	if err := b.client.Get(t.Context(), "/v1/status/commit", nil, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Problems and the difference come while somebody types, a fix puts a problem right, and nothing changes until it is applied.
func TestProblemsAreShownWhileTyping(t *testing.T) {
	b := newBox(t, edits...)
	p := b.login(t, "admin")
	p.edit()
	p.rewrites("system hostname before", "system hostname after\nport ethernet 0 0\n  bind interface ROUTER LAM\n  encapsulation ip\nnonsense here")
	p.wait(`document.querySelectorAll(".problems li").length >= 3`)
	p.waitText("no such")
	p.waitText("1 line is not understood: nothing can be applied.")
	p.waitText("1 line has no effect here and would be lost.")
	p.wait(`document.querySelector(".paint .row.error")`)
	p.waitText("+ system hostname after")
	p.waitText("- system hostname before")
	p.look("configuration-problems")
	p.click("Put it right")
	p.wait(`document.getElementById("text").value.includes("bind interface ROUTER LAN\n")`)
	p.wait(`![...document.querySelectorAll(".problems li")].some((e) => e.innerText.includes("no such"))`)
	p.click("Apply")
	p.waitText("Nothing was changed.")
	if name := b.hostname(t); name != "before" {
		t.Errorf("a text that is not understood has made it %s", name)
	}
	if st := b.commit(t); st.State != status.NoCommit || st.Ended != nil {
		t.Errorf("%+v", st)
	}
	if strings.Contains(b.exec(t, "show audit"), "hostname after") {
		t.Error("the trail has a change that was not made")
	}
}

// The change of a browser that has lost the box goes back by itself; one that is confirmed, on whichever page, stays.
func TestAChangeGoesBackWhenTheBrowserHasLostTheBox(t *testing.T) {
	b := newBox(t, edits...)
	p := b.login(t, "admin")
	p.edit()
	p.rewrites("system hostname before", "system hostname lost")
	p.wait(`(() => { const keep = document.querySelector('[name="keep"]'); keep.options[0].value = "20"; return keep.value === "20"; })()`)
	p.click("Apply")
	p.waitText("It goes back after 20 s unless it is confirmed.")
	// The box can no longer be reached: consoled stands still, as behind a cable that was pulled.
	b.consoled.cmd.Process.Signal(syscall.SIGSTOP)
	until(t, "the change goes back", func() bool { return b.commit(t).State == status.NoCommit })
	b.consoled.cmd.Process.Signal(syscall.SIGCONT)
	if end := b.commit(t).Ended; end == nil || end.How != status.TimedOut || end.Change.Account != "admin" || b.hostname(t) != "before" {
		t.Errorf("%+v, and it is %s", end, b.hostname(t))
	}
	if !strings.Contains(b.exec(t, "show audit"), "system hostname lost") {
		t.Error("it was never another one")
	}
	other := b.login(t, "technician")
	other.open("/who")
	other.waitText("has gone back: nobody confirmed it.")
	p.edit()
	p.rewrites("system hostname before", "system hostname kept")
	p.apply()
	other.waitText("A change of the configuration waits for its confirmation.") // on every page, by itself
	other.waitText("It is by admin (web 127.0.0.1).")
	other.look("who-pending")
	other.click("Keep and save it")
	other.waitText("The change stays, and is saved.")
	other.wait(`location.pathname === "/who" && !document.querySelector(".pending")`)
	if text := b.exec(t, "show startup-config"); !strings.Contains(text, "system hostname kept") {
		t.Error(text)
	}
	p.rewrites("system hostname kept", "system hostname again")
	p.apply()
	p.click("Take it back now")
	p.waitText("The configuration is what it was before.")
	if name := b.hostname(t); name != "kept" {
		t.Errorf("taken back, it is %s", name)
	}
}

// Of two administrators who change it at once the second is told who was first, sees both changes, and can merge his.
func TestTwoAdministratorsAtOnce(t *testing.T) {
	b := newBox(t, edits...)
	first, second := b.login(t, "admin"), b.login(t, "technician")
	first.edit()
	second.edit()
	first.rewrites("system hostname before", "system hostname annas")
	first.wait(`document.querySelector('[name="keep"]').value = "0"`)
	first.click("Apply")
	first.waitText("The text runs now. It is not saved yet.")
	second.rewrites("username u password geheim", "username u password geheim\n  username v password mine")
	second.waitText("The configuration was changed meanwhile by admin")
	second.click("Apply")
	second.waitText("Nothing was changed.")
	second.click("Show both changes")
	second.waitText("What was changed meanwhile")
	second.wait(`document.querySelector(".conflict").innerText.includes("+ system hostname annas") && document.querySelector(".conflict").innerText.includes("+ username v password ***")`)
	second.look("configuration-conflict")
	second.click("Merge mine into it")
	second.waitText("Both changes are in the text now. Look at the difference before you apply it.")
	if text := second.editor(); !strings.Contains(text, "system hostname annas") || !strings.Contains(text, "username v password mine") {
		t.Fatalf("merged: %s", text)
	}
	second.click("Apply")
	second.waitText("The text runs now")
	text := b.exec(t, "show running-config")
	if !strings.Contains(text, "system hostname annas") || !strings.Contains(text, "username v password mine") {
		t.Error(text)
	}
}

// Completion works by keyboard: the list has help, and Tab leaves the text where nothing was typed.
func TestCompletionByKeyboard(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "admin")
	p.edit()
	js[bool](p, `(() => { const a = document.getElementById("text"); a.focus(); a.setSelectionRange(a.value.length, a.value.length); return true; })()`)
	p.key("context ip NEW")
	p.key("\r")
	p.key("interface WAN")
	p.key("\r")
	p.key("ipad")
	p.key(kb.Tab)
	p.wait(`document.getElementById("text").value.endsWith("\nipaddress ")`)
	p.key("dh")
	p.key(kb.Tab)
	p.wait(`document.getElementById("text").value.endsWith("\nipaddress dhcp ")`)
	p.key("\r")
	p.key("context")
	p.key(" ")
	p.key(kb.Tab)
	p.wait(`!document.getElementById("choices").hidden && document.querySelectorAll("#choices [role=option]").length > 2`)
	if at := js[string](p, `document.getElementById(document.getElementById("text").getAttribute("aria-activedescendant")).innerText`); at == "" {
		t.Error("no choice is active")
	}
	p.shoot("configuration-completion")
	p.axe("completion")
	p.key(kb.ArrowDown)
	chosen := js[string](p, `document.querySelector('#choices [aria-selected="true"] b').innerText`)
	p.key(kb.Tab)
	p.wait(`document.getElementById("choices").hidden && document.getElementById("text").value.endsWith("\ncontext ` + chosen + ` ")`)
	p.key(kb.Escape)
	p.key(kb.Tab)
	p.wait(`document.activeElement !== document.getElementById("text")`)
}

// Every key of the list: Enter and Tab choose and write nothing else, Escape leaves the text as it is, arrows go round, and a list whose
// place the cursor has left is closed, for what is chosen would go elsewhere.
func TestKeysOfTheCompletionList(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "admin")
	p.edit()
	js[bool](p, `(() => { const a = document.getElementById("text"); a.focus(); a.value = ""; a.dispatchEvent(new Event("input", { bubbles: true })); return true; })()`)
	p.key("#")
	p.enter() // without a list it is a newline
	p.key("context ")
	list := func(open bool) {
		t.Helper()
		p.wait(fmt.Sprintf(`document.getElementById("choices").hidden === %v`, !open))
	}
	text := func(want string) {
		t.Helper()
		if got := p.editor(); got != want {
			t.Errorf("the text is %q, want %q", got, want)
		}
	}
	chosen := func() string {
		t.Helper()
		return js[string](p, `document.querySelector('#choices [aria-selected="true"] b').innerText`)
	}
	p.key(kb.Tab)
	list(true)
	first := chosen()
	p.key(kb.ArrowUp)
	last := chosen()
	p.key(kb.ArrowDown)
	if chosen() != first || last == first {
		t.Errorf("round: %s, %s, %s", first, last, chosen())
	}
	p.key(kb.End)
	if chosen() != last {
		t.Errorf("End: %s", chosen())
	}
	p.key(kb.Home)
	p.enter()
	list(false)
	text("#\ncontext " + first + " ")
	p.enter()
	text("#\ncontext " + first + " \n")
	p.key("context ")
	p.key(kb.Tab)
	list(true)
	p.key(kb.Escape)
	list(false)
	text("#\ncontext " + first + " \ncontext ")
	p.key("c")
	p.key(kb.Backspace)
	p.key(kb.Tab)
	list(true)
	p.key(kb.ArrowLeft)
	list(false)
	p.enter()
	text("#\ncontext " + first + " \ncontext\n ")
	js[bool](p, `(() => { document.getElementById("configuration").dataset.sent = "1"; return true; })()`) // nothing is asked at the end
}

// Versions are compared and loaded into the editor, the text is searched, and 20,000 lines stay usable.
func TestHistoryAndSearch(t *testing.T) {
	b := newBox(t, edits...)
	p := b.login(t, "admin")
	p.edit()
	p.click("Save as startup-config")
	p.waitText("The running configuration is the startup-config now.")
	p.rewrites("system hostname before", "system hostname after")
	p.wait(`document.querySelector('[name="keep"]').value = "0"`)
	p.apply()
	p.click("History")
	p.waitText("Saved configurations")
	p.wait(`document.querySelector(".delta").innerText.includes("- system hostname before") && document.querySelector(".delta").innerText.includes("+ system hostname after")`)
	p.look("configuration-history")
	p.click("Load into the editor")
	p.waitText("startup-config is in the editor. Nothing has been changed yet.")
	if !strings.Contains(p.editor(), "system hostname before") || b.hostname(t) != "after" {
		t.Errorf("loaded: %s", p.editor())
	}
	p.wait(`(() => { const f = document.getElementById("seek"); f.focus(); f.value = "interface"; return true; })()`)
	p.key("\r")
	p.wait(`document.getElementById("hits").innerText.startsWith("1 of ")`)
	js[bool](p, `(() => {
		const a = document.getElementById("text");
		a.focus();
		a.value = Array.from({ length: 20000 }, (_, n) => "# line " + n).join("\n");
		a.dispatchEvent(new Event("input", { bubbles: true }));
		a.scrollTop = 20 * 19990;
		return true;
	})()`)
	p.wait(`document.querySelector(".paint").innerText.includes("# line 19999")`)
	if n := js[int](p, `document.querySelectorAll(".paint .row").length`); n > 200 {
		t.Errorf("%d lines are painted", n)
	}
	js[bool](p, `(() => { document.getElementById("configuration").dataset.sent = "1"; return true; })()`) // nothing is asked at the end
}

func TestOperatorsOnlyReadTheConfiguration(t *testing.T) {
	b := newBox(t, edits...)
	p := b.login(t, "viewer")
	p.edit()
	p.waitText("Only administrators can change the configuration. Secrets are hidden.")
	if text := p.editor(); strings.Contains(text, "geheim") || !strings.Contains(text, "password ***") {
		t.Errorf("an operator sees %s", text)
	}
	if js[bool](p, `!document.getElementById("text").readOnly || !!document.querySelector(".actions, #result")`) {
		t.Error("an operator has the controls of the editor")
	}
	p.look("configuration-operator")
	for _, path := range []string{"check", "apply", "help", "save", "confirm", "back"} {
		status := js[int](p, `fetch("/configuration/`+path+`?tag=x", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "X-Viaduct": "script", "Content-Type": "application/x-www-form-urlencoded" }, body: "text=&line=&row=0&cursor=0" }).then((r) => r.status)`)
		if status != 403 && status != 409 {
			t.Errorf("%s: %d", path, status)
		}
	}
}
