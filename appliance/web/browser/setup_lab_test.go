package browser

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/lab"
)

// way is a proxy through which a browser reaches a network of the lab. It returns its address.
func way(t testing.TB, into *lab.Namespace) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		there, err := into.Dial(r.Context(), "tcp4", "", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			http.Error(rw, "no way", http.StatusBadGateway)
			return
		}
		defer there.Close()
		rw.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		go func() {
			io.Copy(there, buffered)
			there.Close()
		}()
		io.Copy(here, there)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// browseLab opens a browser on the LAN of a lab.
func browseLab(t testing.TB, w *lab.World) *tab {
	t.Helper()
	proxy := way(t, w.LAN)
	return (&box{url: "https://" + lab.BoxLAN.String()}).browse(t, func(p *target.CreateBrowserContextParams) { p.ProxyServer = proxy })
}

// factory are the settings of a new box. A development machine has none of its own (package system).
const factory = `enable
configure
webserver https
context ip ROUTER
  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24
port ethernet 0 0
  bind interface ROUTER if_eth00
  no shutdown
`

// labbed is a box in a lab, with its web page.
type labbed struct {
	*lab.World
	sbc *lab.Box
}

// emptyBox makes a lab, and starts both programs of a new box in it, with some lines more than the factory settings. Its page answers.
func emptyBox(t testing.TB, ctx context.Context, o lab.Options, lines string) *labbed {
	t.Helper()
	programs, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	b := &labbed{}
	if b.World, err = lab.New(ctx, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	if b.sbc, err = b.StartBox(ctx, lab.Programs{SBCD: programs + "/sbcd", Consoled: programs + "/consoled", State: dir}); err != nil {
		t.Fatal(err)
	}
	consoled, err := b.Box.Start(exec.Command(programs+"/consoled", "-socket", b.sbc.Socket, "-state", filepath.Join(dir, "console"), "-ssh", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consoled.Stop(patience) })
	if _, err := b.sbc.Paste(ctx, factory+lines); err != nil {
		t.Fatal(err)
	}
	until(t, "the page answers", func() bool {
		c, err := b.LAN.Dial(ctx, "tcp4", "", lab.BoxLAN.String()+":443")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return b
}

// From factory settings to the first call, through the set-up alone: with real programs of the box, a Teams that takes nothing but what is right,
// and a STARFACE. What the lab has that the world has not is its own authority for Teams' certificates, which is trusted as `check all` says.
func TestFromAnEmptyBoxToTheFirstCall(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	b := emptyBox(t, ctx, lab.Options{}, "")
	w, sbc := b.World, b.sbc
	code := ""
	until(t, "the serial console shows a set-up code", func() bool {
		err := client.New(sbc.Socket, patience).Exec(ctx, wire.ExecRequest{Line: "show webserver", TTY: "serial"}, func(a wire.Answer) error {
			if _, after, ok := strings.Cut(a.Text, "Set-up code: "); ok {
				code = after[:8]
			}
			return nil
		})
		return err == nil && code != ""
	})

	p := browseLab(t, w)
	p.open("/")
	p.fill("user", "anna")
	p.fill("code", code)
	p.submit()
	p.fill("new", password)
	p.fill("again", password)
	p.submit()
	p.click("Begin") // whoever makes the first account is led to the set-up
	answers := []struct {
		step   string
		values [][2]string
	}{
		{"box", [][2]string{{"box.fqdn", lab.SBCName}}},
		{"network", [][2]string{{"network.wan", lab.BoxWAN.String() + "/28"}, {"network.gateway", lab.GatewayAddr.String()}, {"network.dns", lab.DNSAddr.String()}, {"network.ntp", lab.NTPName}}},
		{"pbx", [][2]string{{"pbx.address", lab.StarfaceAddr.String()}, {"pbx.name", lab.StarfaceName}}},
		{"numbers", nil},
		{"users", [][2]string{{"table", "Rufnummer\tTelefonname\tPasswort\tUPN\n" +
			"+497123222\tuser.01\tmeingeheimessippasswort01\tanna@meinefirma.de\n" +
			"+497123223\tuser.02\tmeingeheimessippasswort02\tbert@meinefirma.de\n" +
			"07123 224\tuser.03\tmeingeheimessippasswort03\t\n"}}},
	}
	for _, a := range answers {
		p.wait(`location.pathname === "/setup/` + a.step + `"`)
		for _, v := range a.values {
			p.fill(v[0], v[1])
		}
		p.click("Next")
	}
	p.waitText("3 users")
	for _, step := range []string{"users", "teams", "certificate"} {
		p.wait(`location.pathname === "/setup/` + step + `"`)
		p.click("Next")
	}
	p.waitText("Apply on trial")
	if before, err := sbc.Exec(ctx, "show running-config"); err != nil || strings.Contains(before, "interface sip") {
		t.Errorf("it is applied before anybody has looked at it (%v)", err)
	}
	p.click("Apply on trial")
	p.waitText("The configuration runs on trial")
	p.look("setup-trial")
	if saved, err := sbc.Exec(ctx, "show startup-config"); err == nil && strings.Contains(saved, "interface sip") {
		t.Error("what is on trial is saved")
	}
	p.click("Keep and save")
	p.waitText("The configuration stays, and is saved.")
	if saved, err := sbc.Exec(ctx, "show startup-config"); err != nil || !strings.Contains(saved, "interface sip") {
		t.Errorf("what is kept is not saved (%v)", err)
	}

	key, err := w.PKI.BoxKeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	p.fill("chain", string(w.PKI.BoxCertificatePEM())+string(w.PKI.BoxChainPEM()))
	p.fill("key", string(key))
	p.click("Import")
	p.waitText("everything is there")
	p.click("Next")
	p.waitText("Grant-CsOnlineVoiceRoutingPolicy -Identity 'anna@meinefirma.de'")
	p.click("Next")
	p.waitText("No call has come yet.")
	p.click("Check everything") // what is wrong stands first, and the way to the issuers is shown
	p.wait(`!document.querySelector("[data-untrusted]").hidden && document.querySelector(".checked").firstElementChild.className === "whole"`)
	p.look("setup-untrusted")

	until(t, "the hubs show an issuer that nobody knows", func() bool {
		known, err := sbc.Exec(ctx, "show pki trusted")
		sum := regexp.MustCompile(`pki trust add ([0-9A-F]{64})`).FindStringSubmatch(known)
		if err != nil || sum == nil {
			return false
		}
		_, err = sbc.Exec(ctx, "pki trust add "+sum[1]+" force")
		return err == nil
	})
	if err := w.Starface.WaitRegistered(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := w.Teams.WaitActive(ctx); err != nil {
		t.Fatal(err)
	}
	p.click("Check everything")
	p.waitText("0 failed")
	p.wait(`document.querySelector("[data-untrusted]").hidden`)
	p.look("setup-checked")

	to := "+4930123456"
	call, err := w.Teams.Call(ctx, lab.Dial{From: "+497123222", To: to})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Starface.NextCall(ctx); err != nil { // it rings, and answers
		t.Fatal(err)
	}
	if err := call.WaitUp(ctx); err != nil {
		t.Fatal(err)
	}
	p.waitText("connected")
	p.waitText(to)
	p.look("setup-call")
	if err := call.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	p.waitText("The call was connected")
	p.wait(`!document.querySelector(".stale")?.innerText`)
	for _, r := range append(w.Teams.Refusals(), w.Starface.Refusals()...) {
		if !strings.Contains(r.String(), "bad certificate") { // until the lab's authority was trusted
			t.Errorf("refused: %v", r)
		}
	}
}

// The address by which somebody has the page open is changed: the page says where it will be, leads there, and is there. Who does not follow it
// gets the old one back, as any change on trial (TestSetupAsksStepByStep). The new address begins as the old one does: requests to both are no
// requests to elsewhere.
func TestThePageMovesWithTheBox(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	b := emptyBox(t, ctx, lab.Options{NoTeams: true, NoStarface: true}, strings.Join(accounts, "\n")+"\n")
	p := browseLab(t, b.World)
	login := func() {
		p.fill("user", "technician")
		p.fill("password", password)
		p.submit()
		p.wait(`!!document.querySelector("header.top")`)
	}
	p.open("/login")
	login()
	p.open("/setup/box")
	p.fill("box.fqdn", lab.SBCName)
	for _, step := range []string{"box", "network", "pbx", "numbers", "users", "teams", "certificate"} {
		p.wait(`location.pathname === "/setup/` + step + `"`)
		switch step {
		case "network":
			p.fill("network.lan", "192.168.1.17/24")
			p.fill("network.wan", lab.BoxWAN.String()+"/28")
			p.fill("network.gateway", lab.GatewayAddr.String())
			p.fill("network.dns", lab.DNSAddr.String())
		case "pbx":
			p.fill("pbx.address", lab.StarfaceAddr.String())
		case "users":
			p.fill("table", "+497123222 user.01 geheim")
			p.click("Next")
			p.waitText("1 user")
		}
		p.click("Next")
	}
	p.waitText("https://192.168.1.17/setup/keys")
	p.click("Apply on trial")
	p.waitText("The page has moved")
	until(t, "the page answers at its new address", func() bool {
		c, err := b.LAN.Dial(ctx, "tcp4", "", "192.168.1.17:443")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	p.click("https://192.168.1.17/setup/keys")
	login()
	p.wait(`location.href === "https://192.168.1.17/setup/keys"`)
	p.click("Keep and save")
	p.waitText("The configuration stays, and is saved.")
	if saved, err := b.sbc.Exec(ctx, "show startup-config"); err != nil || !strings.Contains(saved, "192.168.1.17/24") || strings.Contains(saved, "192.168.1.1/24") {
		t.Errorf("saved is (%v):\n%s", err, saved)
	}
}
