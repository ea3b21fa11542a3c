package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// chromium is the one browser of the package.
var chromium struct {
	sync.Mutex
	ctx context.Context
	end []context.CancelFunc
	dir string
}

// startChromium starts it.
func startChromium(t testing.TB) context.Context {
	t.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	dir, err := os.MkdirTemp("", "viaduct-chromium")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"), chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	chromium.dir, chromium.end = dir, []context.CancelFunc{end, stop}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start (make peers installs it): %v", err)
	}
	chromium.ctx = ctx
	return ctx
}

func endChromium() {
	for _, end := range chromium.end {
		end()
	}
	if chromium.dir != "" {
		os.RemoveAll(chromium.dir)
	}
}

// tab is a browser with cookies of its own.
type tab struct {
	t   testing.TB
	box *box
	ctx context.Context

	mu       sync.Mutex
	complain []string // what the browser says of the page: errors of scripts, what the policy forbids
	foreign  []string // requests to elsewhere
	bytes    int64    // that have come
	width    int64
	dark     bool
}

// browse opens a browser without a login.
func (b *box) browse(t testing.TB, options ...chromedp.CreateBrowserContextOption) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(startChromium(t), chromedp.WithNewBrowserContext(options...))
	p := &tab{t: t, box: b, ctx: ctx}
	t.Cleanup(func() {
		p.mu.Lock()
		for _, c := range p.complain {
			t.Errorf("the browser says: %s", c)
		}
		for _, f := range p.foreign {
			t.Errorf("a request went elsewhere: %s", f)
		}
		p.mu.Unlock()
		end()
	})
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return err
	})
	p.listen()
	p.resize(1440, false)
	return p
}

// login opens a browser and logs in.
func (b *box) login(t testing.TB, user string) *tab {
	t.Helper()
	p := b.browse(t)
	p.open("/login")
	p.fill("user", user)
	p.fill("password", password)
	p.submit()
	p.wait(`!!document.querySelector("header.top")`)
	return p
}

// listen notes what the page should not do.
func (p *tab) listen() {
	listening := make(chan struct{})
	go func() {
		entries := chromedp.Events(p.ctx, log.EntryAdded)
		close(listening)
		for e, err := range entries {
			if err != nil {
				return
			}
			// A refusal that a test asks for is one of the network.
			if e.Entry != nil && e.Entry.Source != "network" && (e.Entry.Level == "error" || e.Entry.Source == "security") {
				p.mu.Lock()
				p.complain = append(p.complain, e.Entry.Text)
				p.mu.Unlock()
			}
		}
	}()
	<-listening
	listening2 := make(chan struct{})
	go func() {
		requests := chromedp.Events(p.ctx, network.RequestWillBeSent)
		close(listening2)
		for e, err := range requests {
			if err != nil {
				return
			}
			if u := e.Request.URL; !strings.HasPrefix(u, p.box.url) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") && !strings.HasPrefix(u, "about:") {
				p.mu.Lock()
				p.foreign = append(p.foreign, u)
				p.mu.Unlock()
			}
		}
	}()
	<-listening2
	listening3 := make(chan struct{})
	go func() {
		finished := chromedp.Events(p.ctx, network.LoadingFinished)
		close(listening3)
		for e, err := range finished {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.bytes += int64(e.EncodedDataLength)
			p.mu.Unlock()
		}
	}()
	<-listening3
}

// do runs an action.
func (p *tab) do(f func(context.Context, *chromedp.Target) error) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Func(f)); err != nil {
		p.t.Fatal(err)
	}
}

// open goes to an address of the box.
func (p *tab) open(path string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(p.box.url+path)); err != nil {
		p.t.Fatalf("open %s: %v", path, err)
	}
}

// js is the value of an expression.
func js[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%.200s: %v", expression, err)
	}
	return v
}

// wait waits until a condition is true, also over pages that come meanwhile. The policy forbids what chromedp.Poll does.
func (p *tab) wait(condition string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState !== 'loading' && !!("+condition+")"))
		cancel()
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			p.shoot("failed-" + strings.ReplaceAll(p.t.Name(), "/", "-"))
			p.t.Fatalf("not in %v: %s (%v); the page: %.1500s", patience, condition, err, p.text("body"))
		}
	}
}

// waitText waits until the page shows a text.
func (p *tab) waitText(text string) {
	p.t.Helper()
	p.wait("document.body.innerText.includes(" + str(text) + ")")
}

// str is a string of JavaScript.
func str(s string) string {
	text, _ := json.Marshal(s) // a string is always written
	return string(text)
}

// text is what an element shows.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return js[string](p, "document.querySelector("+str(selector)+")?.innerText ?? ''")
}

// fill types into the field of a name.
func (p *tab) fill(name, value string) {
	p.t.Helper()
	p.wait("document.querySelector(" + str(`[name="`+name+`"]`) + ")")
	js[bool](p, `(() => {
		const e = document.querySelector(`+str(`[name="`+name+`"]`)+`);
		e.focus();
		e.value = `+str(value)+`;
		e.dispatchEvent(new Event("input", { bubbles: true }));
		e.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`)
}

// submit presses the first button of the form whose field has the focus.
func (p *tab) submit() {
	p.t.Helper()
	js[bool](p, `(() => { document.activeElement.form.requestSubmit(document.activeElement.form.querySelector("button")); return true; })()`)
}

// click presses the button, link or summary that shows a text, in its last line. The page need not be the same afterwards: wait for what comes.
func (p *tab) click(text string) {
	p.t.Helper()
	find := `[...document.querySelectorAll("main button, main a, main summary, header button, header a, header summary, nav a, dialog button, form button")]
		.find((e) => e.innerText.trim().split("\n").at(-1).trim() === ` + str(text) + ` && !e.disabled && e.checkVisibility())`
	p.wait(find)
	js[bool](p, "(() => { "+find+".click(); return true; })()")
}

// key presses a key.
func (p *tab) key(keys string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.KeyEvent(keys)); err != nil {
		p.t.Fatal(err)
	}
}

// enter presses Enter as a keyboard does: the newline comes behind the key, and not at all when the page takes the key for itself. That of
// key comes in any case.
func (p *tab) enter() {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		for _, what := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeChar, input.DispatchKeyEventTypeKeyUp} {
			e := input.DispatchKeyEventParams{Type: what, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, NativeVirtualKeyCode: 13}
			if what == input.DispatchKeyEventTypeChar {
				e.Text, e.UnmodifiedText = "\r", "\r"
			}
			if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Widths of the page, in pixels.
var widths = []int64{360, 768, 1440}

// resize changes width and theme.
func (p *tab) resize(width int64, dark bool) {
	p.t.Helper()
	p.width, p.dark = width, dark
	theme := "light"
	if dark {
		theme = "dark"
	}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 900)); err != nil {
		p.t.Fatal(err)
	}
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	})
}

// shoot writes a screenshot of the whole page.
func (p *tab) shoot(name string) {
	p.t.Helper()
	dir := filepath.Join("..", "..", "..", "build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatalf("screenshot: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// look takes screenshots of the page as it stands, at three widths in both themes. At each axe-core must find nothing, and nothing may be wider than the page.
func (p *tab) look(name string) {
	p.t.Helper()
	for _, width := range widths {
		for _, dark := range []bool{false, true} {
			p.resize(width, dark)
			theme := map[bool]string{false: "light", true: "dark"}[dark]
			p.shoot(fmt.Sprintf("%s-%d-%s", name, width, theme))
			p.axe(fmt.Sprintf("%s at %d, %s", name, width, theme))
			if wide := js[int](p, "document.documentElement.scrollWidth"); wide > int(width) {
				p.t.Errorf("%s: the page is %d pixels wide at %d", name, wide, width)
			}
		}
	}
	p.resize(1440, false)
}

// axeSource is axe-core, from npm.
var axeSource = sync.OnceValues(func() ([]byte, error) {
	return os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
})

// axe wants that axe-core finds nothing in the page.
func (p *tab) axe(what string) {
	p.t.Helper()
	source, err := axeSource()
	if err != nil {
		p.t.Fatalf("make peers fetches axe-core: %v", err)
	}
	if !js[bool](p, "typeof axe !== 'undefined'") {
		js[bool](p, string(source)+"; true")
	}
	found := js[[]string](p, `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
		.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html.slice(0, 200) + " " + (n.any[0]?.message ?? ""))))`)
	for _, f := range found {
		p.t.Errorf("%s: axe-core: %s", what, f)
	}
}

// tabThrough presses Tab through the page, and returns what had the focus, each by its text. Each must show that it has it.
func (p *tab) tabThrough() (list []string) {
	p.t.Helper()
	js[bool](p, "(() => { document.activeElement.blur(); window.scrollTo(0, 0); return true; })()")
	for range 500 {
		p.key("\t")
		at := js[string](p, `(() => {
			const e = document.activeElement;
			if (!e || e === document.body) return "";
			const s = getComputedStyle(e);
			const seen = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
			return (seen ? "" : "no outline: ") + (e.innerText?.trim() || e.getAttribute("aria-label") || e.name || e.id || e.tagName);
		})()`)
		if at == "" || len(list) > 0 && at == list[0] && len(list) > 1 {
			return list
		}
		if strings.HasPrefix(at, "no outline: ") {
			p.t.Errorf("the focus cannot be seen: %s", at)
		}
		list = append(list, at)
	}
	p.t.Error("the page has no end for Tab")
	return list
}
