package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"viaduct/appliance/api/wire"
)

// screen is what the terminal shows, without the ends of lines.
const screen = `[...document.querySelectorAll(".xterm-rows > div")].map((row) => row.textContent.replaceAll("\u00a0", " ").trimEnd()).join("")`

// terminal opens the page, and waits until the console asks for a line.
func (p *tab) terminal() {
	p.t.Helper()
	p.open("/terminal")
	p.wait(`document.querySelector("#terminal-status").textContent === "Connected"`)
	p.shows(">")
}

// shows waits for text on the screen of the terminal.
func (p *tab) shows(text string) {
	p.t.Helper()
	p.wait(screen + ".includes(" + str(text) + ")")
}

// types presses keys in the terminal as fingers do: a key whose default action the page prevents types no character.
func (p *tab) types(keys string) {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		for _, r := range keys {
			events := kb.Encode(r)
			down := *events[0]
			if len(events) == 3 {
				down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
			}
			for _, e := range []input.DispatchKeyEventParams{down, *events[len(events)-1]} {
				if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// with presses a key with Ctrl or Shift held.
func (p *tab) with(m chromedp.Modifier, key string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(m))); err != nil {
		p.t.Fatal(err)
	}
}

// paste pastes into the terminal.
func (p *tab) paste(text string) {
	p.t.Helper()
	js[bool](p, `(() => {
		const data = new DataTransfer();
		data.setData("text/plain", `+str(text)+`);
		document.querySelector(".xterm-helper-textarea").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
		return true;
	})()`)
}

// says runs a line as root, and returns the answer.
func (b *box) says(t testing.TB, line string) string {
	t.Helper()
	var text strings.Builder
	err := b.client.Exec(t.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, Yes: true}, func(a wire.Answer) error {
		text.WriteString(a.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestTerminalRunsTheConsole(t *testing.T) {
	const hostile = "<img src=x onerror=document.title='harm'>"
	b := newBox(t, `banner "`+hostile+`"`)
	p := b.login(t, "technician")
	p.terminal()
	if who := b.says(t, "show users"); strings.Count(who, "web 127.0.0.1") != 2 {
		t.Errorf("who: %s", who)
	}
	p.look("terminal")

	// a line longer than the screen is edited right only by a console that knows how wide the screen is
	p.resize(360, false)
	long := strings.Repeat("abcdefghij", 8)
	p.types(long)
	p.shows(long)
	p.with(chromedp.ModifierCtrl, "a")
	p.types("start")
	p.shows(">start" + long)
	p.resize(1440, false)
	p.with(chromedp.ModifierCtrl, "c")

	p.types("enable\r")
	p.types("show running-config | include banner\r")
	p.shows(hostile)
	if js[bool](p, `document.title === "harm" || !!document.querySelector("#terminal img")`) {
		t.Error("text of the configuration has become an element")
	}

	// Tab is the console's, Shift+Tab leaves
	p.types("show runn\t")
	p.shows("show running-config")
	p.with(chromedp.ModifierCtrl, "c")
	p.with(chromedp.ModifierShift, "\t")
	p.wait(`document.activeElement.id === "terminal-readable"`)
	p.key(" ")
	p.wait(`document.querySelector(".xterm-accessibility")`) // for screen readers
	p.axe("terminal for screen readers")
}

func TestTerminalTakesALargePaste(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "technician")
	p.terminal()
	lines := []string{"enable", "configure", "context cs switch", "mapping-table called-e164 to called-e164 MAP"}
	for i := range 2000 {
		lines = append(lines, fmt.Sprintf("map %d to %d", 49301000+i, 1000+i))
	}
	p.paste(strings.Join(lines, "\n") + "\n")
	p.shows("0 errors")
	if n := strings.Count(b.says(t, "show running-config"), " map 4930"); n != 2000 {
		t.Errorf("%d lines are taken", n)
	}
}

func TestTerminalEndsWithTheSession(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "viewer")
	p.terminal()
	js[int](p, `fetch("/logout", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content } }).then((r) => r.status)`)
	p.wait(`document.querySelector("#terminal-status").textContent === "You are logged out. Log in again to go on."`)
	until(t, "no terminal is open", func() bool { return !strings.Contains(b.says(t, "show users"), "web 127.0.0.1:") }) // others may be logged in
}

func TestTerminalEndsWithExit(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "viewer")
	p.terminal()
	p.types("exit\r")
	p.waitText("The session has ended.")
	p.click("Open a new one")
	p.wait(`document.querySelector("#terminal-status").textContent === "Connected"`)
	p.shows(">")
}
