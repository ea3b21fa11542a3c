package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/image/update"
)

// installer is PID 1 as sbcd sees it. An image is a line of JSON, and as many octets as it says.
type installer struct {
	mu       sync.Mutex
	images   update.Images
	received int64
	begun    chan struct{} // the first half of an image has come
	goOn     chan struct{} // the second may come
	reboot   chan struct{}
}

// bundle is the head of an image.
type bundle struct {
	Version string
	Forged  bool
	Size    int64
}

var whenBuilt = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

// startInstaller stands in for PID 1 of a box.
func (b *box) startInstaller(t testing.TB) *installer {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(b.dir, "init.sock"))
	if err != nil {
		t.Fatal(err)
	}
	f := &installer{begun: make(chan struct{}), goOn: make(chan struct{}), reboot: make(chan struct{}, 1)}
	f.images = update.Images{Board: "qemu-virt", Running: "a", State: update.State{Slots: [2]update.Firmware{{Version: "v1", Commit: "0123456789abcdef", Built: whenBuilt}}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+update.InstallPath, func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		json.NewEncoder(w).Encode(f.images)
	})
	mux.HandleFunc("PUT "+update.InstallPath, f.install)
	mux.HandleFunc("POST /reboot", func(w http.ResponseWriter, _ *http.Request) { f.reboot <- struct{}{} })
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return f
}

func (f *installer) install(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	out.EnableFullDuplex()
	tell := func(p update.Progress) {
		json.NewEncoder(w).Encode(p)
		out.Flush()
	}
	in := bufio.NewReader(r.Body)
	head, _ := in.ReadString('\n')
	var image bundle
	switch err := json.Unmarshal([]byte(head), &image); {
	case err != nil:
		tell(update.Progress{Done: true, Error: "this is no update: it does not begin as one"})
		return
	case image.Forged:
		tell(update.Progress{Done: true, Error: "the signature is not of a key that this firmware trusts"})
		return
	}
	tell(update.Progress{Text: image.Version + " for qemu-virt"})
	n, _ := io.CopyN(io.Discard, in, image.Size/2)
	select {
	case f.begun <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case <-f.goOn:
	case <-r.Context().Done():
		return
	}
	m, err := io.CopyN(io.Discard, in, image.Size-n)
	f.mu.Lock()
	f.received += n + m
	f.mu.Unlock()
	if err != nil {
		tell(update.Progress{Done: true, Error: "the update is cut short"})
		return
	}
	tell(update.Progress{Text: "writing root to slot b"})
	f.mu.Lock()
	f.images.State.Slots[1] = update.Firmware{Version: image.Version, Built: whenBuilt.AddDate(0, 0, 1)}
	f.images.State.Trial = &update.Trial{Slot: update.B}
	f.mu.Unlock()
	tell(update.Progress{Done: true})
}

// large is the size of an image that consoled must not hold.
const large = 64 << 20

// peak is the most memory that a program has had, in octets.
func (p *program) peak(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes int
	if _, err := fmt.Sscan(line, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// choose puts a file into a field: a head, and so many octets more.
func (p *tab) choose(name, head string, size int64) {
	p.t.Helper()
	p.wait("document.querySelector(" + str(`[name="`+name+`"]`) + ")")
	js[bool](p, fmt.Sprintf(`(() => {
		const all = new DataTransfer();
		all.items.add(new File([%s, new Uint8Array(%d)], "image.bin"));
		document.querySelector('[name=%q]').files = all.files;
		return true;
	})()`, str(head), size, name))
}

// comes waits for what PID 1 does.
func (p *tab) comes(what string, c <-chan struct{}) {
	p.t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		p.shoot("failed-" + p.t.Name())
		p.t.Fatalf("not in %v: %s; the page: %.1500s", patience, what, p.text("main"))
	}
}

// image chooses an image for an update.
func (p *tab) image(i bundle) {
	p.t.Helper()
	head, err := json.Marshal(i)
	if err != nil {
		p.t.Fatal(err)
	}
	p.choose("image", string(head)+"\n", i.Size)
}

func TestFirmwareUpdate(t *testing.T) {
	b := newBox(t)
	b.says(t, "copy running-config startup-config")
	b.configure(t, "system hostname unsaved")
	f := b.startInstaller(t)
	p := b.login(t, "technician")
	p.open("/firmware")
	p.waitText("v1")
	p.look("firmware")

	// a bad bundle is refused in words, while most of it has still to come
	p.image(bundle{Version: "v2", Forged: true, Size: 64 << 20})
	p.click("Install")
	p.waitText("image not installed: the signature is not of a key that this firmware trusts")
	if f.received != 0 {
		t.Errorf("%d octets of it were taken", f.received)
	}
	p.choose("image", "GIF89a\n", 100)
	p.click("Install")
	p.waitText("this is no update: it does not begin as one")

	// a good one is seen on its way
	before := b.consoled.peak(t)
	p.image(bundle{Version: "v2", Size: large})
	p.click("Install")
	p.comes("the first half of the image", f.begun)
	p.wait(`document.querySelector("#lines").textContent.includes("v2 for qemu-virt")`)
	p.wait(`document.querySelector("#progress progress").value > 0 && document.querySelector("#amount").textContent.includes("/ 64.0 MiB")`)
	p.shoot("firmware-progress")
	f.goOn <- struct{}{}
	p.waitText("The image is installed. It starts with the next restart.")
	p.waitText("starts next") // by itself
	if grown := b.consoled.peak(t) - before; grown > large/2 {
		t.Errorf("consoled has taken %d octets more for an image of %d", grown, large)
	}

	// what a restart costs is said before; the box comes back with the old image, and the page says that
	p.click("Restart with v2")
	p.waitText("The box starts with v2 in place of v1.")
	p.waitText("no calls in progress")
	p.waitText("hostname unsaved")
	p.click("Save the configuration first")
	p.waitText("The configuration is saved.")
	p.waitText("are the same")
	p.look("firmware-restart")
	p.click("Restart the box")
	p.comes("the order to restart", f.reboot)
	p.waitText("If v2 does not come up well")
	p.shoot("firmware-wait")
	p.axe("firmware, waiting")
	f.mu.Lock()
	f.images.State.Trial, f.images.State.Slots[1].Failed = nil, true
	f.mu.Unlock()
	if err := b.sbcd.end(); err != nil {
		t.Fatal(err)
	}
	p.waitText("The box is restarting")
	b.startSBCD(t)
	p.waitText("The box came back with v1. The trial of v2 has failed.")
	p.waitText("failed")
	p.shoot("firmware-failed")
}

func TestFirmwareUpdateThatIsStopped(t *testing.T) {
	b := newBox(t)
	f := b.startInstaller(t)
	p := b.login(t, "technician")
	p.open("/firmware")
	p.image(bundle{Version: "v2", Size: 32 << 20})
	p.click("Install")
	p.comes("the first half of the image", f.begun)
	p.click("Stop")
	p.waitText("The installation was broken off.")
	f.goOn <- struct{}{}
	until(t, "PID 1 has no more of it", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.received > 0 && f.received < 32<<20
	})
}

func TestBackupThereAndBack(t *testing.T) {
	b := newBox(t, "system hostname before")
	b.says(t, "copy running-config startup-config")
	p := b.login(t, "admin")
	p.open("/firmware")
	p.waitText("this machine does not run from an image")
	made := js[string](p, `fetch("/firmware/backup", { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
		body: new URLSearchParams({ pass: "open sesame", again: "open sesame" }) }).then((r) => r.text().then((text) => r.headers.get("Content-Disposition") + "\n" + text))`)
	name, text, _ := strings.Cut(made, "\n")
	if !strings.HasPrefix(name, "attachment; filename=backup-") || !strings.Contains(text, "BEGIN VIADUCT BACKUP") {
		t.Fatalf("a backup: %.200s", made)
	}
	b.configure(t, "system hostname after")
	b.says(t, "copy running-config startup-config")

	p.choose("file", text, 0)
	passphrase := func(pass string) {
		js[bool](p, `(() => {
			const field = document.querySelector('#restore [name="pass"]');
			field.value = `+str(pass)+`;
			field.dispatchEvent(new Event("input", { bubbles: true }));
			return true;
		})()`)
	}
	passphrase("open sesam")
	p.click("Show what it holds")
	p.waitText("the pass phrase is wrong, or the backup is damaged")
	if js[bool](p, `document.querySelector('[value="restore"]').checkVisibility()`) {
		t.Error("what cannot be opened can be restored")
	}
	passphrase("open sesame")
	p.click("Show what it holds")
	p.waitText("It can be restored. Nothing was stored.")
	p.look("firmware-backup")
	if got := b.says(t, "show startup-config"); !strings.Contains(got, "hostname after") {
		t.Errorf("looking has restored it: %s", got)
	}
	p.click("Restore it")
	p.waitText("The startup-config is that of the backup")
	if got := b.says(t, "show startup-config"); !strings.Contains(got, "hostname before") {
		t.Errorf("restored: %s", got)
	}

	// saved configurations and the file for support
	for path, want := range map[string]string{"/firmware/config/startup-config": "hostname before", "/firmware/config/startup-config.1": "hostname after", "/firmware/support": "show version", "/firmware/records?day=2026-11-30": ""} {
		if got := js[string](p, "fetch("+str(path)+").then((r) => r.text())"); !strings.Contains(got, want) {
			t.Errorf("%s: %.300s", path, got)
		}
	}
	if status := js[int](p, `fetch("/firmware/config/passwd").then((r) => r.status)`); status != http.StatusNotFound {
		t.Errorf("another name: status %d", status)
	}
}

func TestFirmwareIsForThoseWhoMay(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "viewer")
	p.open("/firmware")
	p.waitText("Only a superuser can make or restore one.")
	if js[bool](p, `!!document.querySelector('form[action="/firmware/upload"], form[action="/firmware/backup"], a[href="/firmware/restart"]')`) {
		t.Error("an operator is offered what he may not do")
	}
	for path, body := range map[string]string{"/firmware/install": "", "/firmware/backup": "pass=x&again=x", "/firmware/restart": "how=now", "/firmware/fetch": "url=https://192.0.2.1/x"} {
		got := js[string](p, `fetch(`+str(path)+`, { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "Content-Type": "application/x-www-form-urlencoded" },
			body: `+str(body)+` }).then((r) => r.text().then((text) => r.status + " " + text))`)
		if strings.Contains(got, `"ok":true`) || strings.HasPrefix(got, "500") || strings.Contains(got, "BEGIN VIADUCT") || strings.HasPrefix(got, "200") && path != "/firmware/install" {
			t.Errorf("%s: %.300s", path, got)
		}
	}
	p.click("viewer")
	p.click("Deutsch")
	p.waitText("Nur ein Superuser")
	p.shoot("firmware-de")
}
