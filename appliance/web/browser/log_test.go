package browser

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
)

func TestLogFollowsAndPauses(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "viewer")
	p.open("/log")
	p.waitText("New lines appear by themselves")
	p.waitText("started")
	b.command(t, "drain")
	p.wait(`document.querySelector("#log").innerText.includes("out-of-service")`)
	p.look("log")
	p.click("Pause")
	before := js[int](p, `document.querySelectorAll("#log tr").length`)
	b.command(t, "no drain")
	p.wait(`document.querySelector("#following").textContent.startsWith("Paused. New lines that wait: ")`)
	if now := js[int](p, `document.querySelectorAll("#log tr").length`); now != before {
		t.Errorf("%d lines, then %d while it is paused", before, now)
	}
	p.click("Pause")
	p.wait(`document.querySelector("#log").innerText.includes("alarm cleared")`)
	lines := js[[]string](p, `[...document.querySelectorAll("#log tr")].map((r) => r.outerHTML)`) // at one moment: they go on coming
	if different := slices.Compact(slices.Sorted(slices.Values(lines))); len(different) != len(lines) {
		t.Errorf("%d lines, of which %d differ: some came twice", len(lines), len(different))
	}
	p.fill("text", "OUT-OF-service")
	p.submit()
	p.wait(`location.search.includes("OUT-OF")`)
	if n := js[int](p, `[...document.querySelectorAll("#log tr")].filter((r) => !r.innerText.includes("out-of-service")).length`); n > 0 {
		t.Errorf("%d lines without the text", n)
	}

	// What others have written is text, and nothing else.
	const hostile = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`
	ctx, gone := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		b.client.Events(ctx, "viewer", hostile, time.Now(), func(wire.Event) {}) // ends with ctx
	}()
	p.open("/log")
	p.wait(`document.querySelector("#log").innerText.includes("<script>document.title=")`)
	if n := js[int](p, `document.querySelectorAll("#log img, #log script").length`); n > 0 || js[string](p, "document.title") == "run" {
		t.Errorf("%d elements of a stranger", n)
	}
	gone()
	<-over
	p.open("/log?severity=error")
	p.waitText("No line is like that.")
	file := js[string](p, `fetch("/log/file?text=out-of-service").then(async (r) => r.headers.get("Content-Disposition") + "\n" + (await r.text()))`)
	if !strings.HasPrefix(file, "attachment; filename=log-") || !strings.Contains(file, "alarm=out-of-service") {
		t.Errorf("the file: %s", file)
	}
}
