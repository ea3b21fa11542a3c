package browser

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/license"
)

// authority is one that openssl makes: a root, and an intermediate that signs.
type authority struct {
	t   testing.TB
	dir string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t, t.TempDir()}
	a.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-days", "3650", "-subj", "/CN=Test Root")
	a.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "middle.key", "-out", "middle.csr", "-subj", "/CN=Test Intermediate")
	a.write("ca.ext", "basicConstraints=critical,CA:TRUE\n")
	a.openssl("x509", "-req", "-in", "middle.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "1000", "-extfile", "ca.ext", "-out", "middle.pem")
	return a
}

func (a *authority) openssl(args ...string) {
	a.t.Helper()
	c := exec.Command("openssl", args...)
	c.Dir = a.dir
	if out, err := c.CombinedOutput(); err != nil {
		a.t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (a *authority) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) read(name string) string {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// sign answers a request.
func (a *authority) sign(csr, host string) string {
	a.t.Helper()
	a.write("leaf.csr", csr)
	a.write("leaf.ext", "subjectAltName=DNS:"+host+"\nextendedKeyUsage=serverAuth\n")
	a.openssl("x509", "-req", "-in", "leaf.csr", "-CA", "middle.pem", "-CAkey", "middle.key", "-CAcreateserial", "-days", "90", "-extfile", "leaf.ext", "-out", "leaf.pem")
	return a.read("leaf.pem") + a.read("middle.pem")
}

// choose puts a file into a field of a form.
func (p *tab) chooseFile(name, file string, text []byte) {
	p.t.Helper()
	js[bool](p, `(() => {
		const bytes = Uint8Array.from(atob(`+str(base64.StdEncoding.EncodeToString(text))+`), (c) => c.charCodeAt(0));
		const files = new DataTransfer();
		files.items.add(new File([bytes], `+str(file)+`));
		document.querySelector(`+str(`[name="`+name+`"]`)+`).files = files.files;
		return true;
	})()`)
}

// post sends a form as a page of ours would: with the token of the session. It returns status and text.
func (p *tab) post(path string, values map[string]string) string {
	p.t.Helper()
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, str(name)+":"+str(value))
	}
	return js[string](p, `fetch(`+str(path)+`, { method: "POST", redirect: "follow", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
		body: new URLSearchParams({`+strings.Join(pairs, ",")+`}) }).then(async (r) => r.status + " " + await r.text())`)
}

// glance is look for a page that is built as one that has been looked at: at the two ends.
func (p *tab) glance(name string) {
	p.t.Helper()
	for _, width := range []int64{360, 1440} {
		dark := width == 360
		p.resize(width, dark)
		p.shoot(fmt.Sprintf("%s-%d", name, width))
		p.axe(fmt.Sprintf("%s at %d", name, width))
		if wide := js[int](p, "document.documentElement.scrollWidth"); wide > int(width) {
			p.t.Errorf("%s: the page is %d pixels wide at %d", name, wide, width)
		}
	}
}

func TestCertificates(t *testing.T) {
	b := newBox(t, "profile tls pf", "private-key pki:private-key/sbc", "own-certificate 1 pki:certificate/sbc")
	a := newAuthority(t)
	p := b.login(t, "technician")

	// What the profile lacks is said, and leads to its cure.
	p.open("/certificates")
	p.waitText("pki:certificate/sbc is named by this profile and is not in the box yet.")
	p.waitText("import pki:certificate/sbc")

	// A key and a request, whose answer is imported.
	p.open("/certificates/request?name=sbc")
	p.fill("names", "sbc.example.com, teams.example.com")
	p.submit()
	p.wait(`document.querySelector("#csr")`)
	csr := p.text("#csr")
	a.write("got.csr", csr)
	a.openssl("req", "-in", "got.csr", "-noout", "-verify")
	if file := js[string](p, `decodeURIComponent(document.querySelector("a[download]").href.split(",")[1])`); file != csr && strings.TrimSpace(file) != strings.TrimSpace(csr) {
		t.Errorf("the file to download is %q", file)
	}
	p.glance("certificates-request")
	answer := a.sign(csr, "sbc.example.com")
	p.click("Import the answer")
	p.fill("text", answer)
	p.submit()
	p.wait(`location.pathname === "/certificates"`)
	p.waitText("89 days left")
	for _, want := range []string{"Test Intermediate", "profile tls pf"} {
		p.waitText(want)
	}
	if n := js[int](p, `document.querySelectorAll("#certificate-sbc .chain .link").length`); n != 2 {
		t.Errorf("the chain has %d boxes", n)
	}

	// A PFX file: a wrong pass phrase is refused at its field, nothing is lost, and the right one is taken.
	a.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "pfx.key", "-out", "pfx.csr", "-subj", `/CN=<script>document.title="taken"<\/script>"&lt;`)
	a.sign(a.read("pfx.csr"), "pfx.example.com")
	a.openssl("pkcs12", "-export", "-inkey", "pfx.key", "-in", "leaf.pem", "-certfile", "middle.pem", "-out", "box.pfx", "-passout", "pass:the right one")
	p.open("/certificates/add")
	p.fill("name", "fromfile")
	p.chooseFile("file", "box.pfx", []byte(a.read("box.pfx")))
	p.submit()
	p.waitText("It is encrypted: give its pass phrase.")
	p.fill("pass", "a wrong one")
	p.submit()
	p.wait(`document.querySelector(".refusal")?.textContent.includes("pass phrase is wrong") || document.querySelector(".refusal")?.textContent.includes("wrong pass phrase")`)
	p.wait(`document.activeElement.name === "pass"`)
	p.axe("a refusal")
	p.fill("pass", "the right one")
	p.submit()
	p.wait(`location.pathname === "/certificates" && !!document.querySelector("#certificate-fromfile")`)
	if text := p.text("#certificate-fromfile dl"); !strings.Contains(text, `<script>document.title="taken"`) {
		t.Errorf("the hostile name reads %s", text)
	}
	if js[string](p, "document.title") == "taken" || js[int](p, `document.querySelectorAll("main script:not([src])").length`) > 0 {
		t.Error("a name of a certificate was taken for a script")
	}

	// A private key and its chain in one paste; an encrypted key, with a wrong pass phrase first, changes nothing.
	a.openssl("rsa", "-in", "pfx.key", "-aes256", "-passout", "pass:keyword", "-out", "sealed.key")
	sealed := a.read("sealed.key") + a.read("leaf.pem") + a.read("middle.pem")
	p.open("/certificates/add?name=both")
	p.fill("text", sealed)
	p.fill("pass", "nonsense")
	p.submit()
	p.wait(`document.querySelector(".refusal")`)
	if all := b.status(t, "keys", "admin"); strings.Contains(all, `"both"`) {
		t.Error("a part of a refused paste is in the box")
	}
	p.fill("pass", "keyword")
	p.submit()
	p.wait(`location.pathname === "/certificates" && !!document.querySelector("#certificate-both")`)
	p.waitText("pki:private-key/both")
	if html := js[string](p, "document.documentElement.outerHTML"); strings.Contains(html, "PRIVATE KEY") || strings.Contains(html, "keyword") {
		t.Error("a secret stands in the page")
	}
	p.look("certificates")

	// What is in use is erased after the box's question only, and what is not after the page's.
	js[bool](p, `(() => { document.querySelector("#certificate-sbc form button").click(); return true; })()`)
	p.waitText("pki:certificate/sbc is in use: profile tls pf. Erase it?")
	p.glance("certificates-question")
	p.click("No, go back")
	p.wait(`!!document.querySelector("#certificate-both")`)
	js[bool](p, `(() => { document.querySelector("#certificate-both form button").click(); return true; })()`)
	p.waitText("Erase pki:certificate/both? Nothing uses it.")
	p.click("Erase")
	p.wait(`location.pathname === "/certificates" && !document.querySelector("#certificate-both") && !!document.querySelector("#certificate-sbc")`)

	// The internal CA.
	p.open("/certificates/internal")
	p.fill("ca", "Office CA")
	p.submit()
	p.waitText("What it has issued")
	p.fill("name", "lan")
	p.fill("names", "sbc.lan,192.168.1.2")
	p.submit()
	p.waitText("sbc.lan, 192.168.1.2")
	if root := js[string](p, `fetch("/certificates/internal/root.pem").then((r) => r.text())`); !strings.HasPrefix(root, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("the root is %.40q", root)
	}
	p.glance("certificates-internal")

	for _, tab := range []string{"add", "acme", "trust", "peers", "calendar"} {
		p.open("/certificates/" + tab)
		p.glance("certificates-" + tab)
	}
	if list := p.tabThrough(); len(list) < 10 {
		t.Errorf("Tab passes %q", list)
	}

	// An operator sees, and changes nothing, by no page and by no request of his own.
	o := b.login(t, "viewer")
	o.open("/certificates")
	o.waitText("Only an administrator can change it.")
	if n := js[int](o, `document.querySelectorAll("main form").length`); n != 0 {
		t.Errorf("an operator has %d forms", n)
	}
	for path, values := range map[string]map[string]string{
		"/certificates/erase":           {"what": "pki:certificate/fromfile", "answer": "yes"},
		"/certificates/import":          {"name": "mine", "text": a.read("root.pem")},
		"/certificates/request":         {"name": "mine", "bits": "2048"},
		"/certificates/internal/create": {"ca": "mine"},
		"/certificates/internal/issue":  {"name": "mine"},
		"/certificates/trust/add":       {"sha256": strings.Repeat("A", 64)},
	} {
		if got := o.post(path, values); !strings.HasPrefix(got, "422 ") || !strings.Contains(got, "operator") {
			t.Errorf("%s of an operator: %.300s", path, got)
		}
	}
	if all := b.status(t, "keys", "admin"); !strings.Contains(all, `"fromfile"`) || strings.Contains(all, `"mine"`) {
		t.Error("an operator changed the key store")
	}
	o.click("viewer")
	o.click("Deutsch")
	o.waitText("Zertifikate in der Box")
	o.glance("certificates-de")

	trail := b.status(t, "audit?last=500", "admin")
	for _, secret := range []string{"the right one", "keyword", "nonsense", "PRIVATE KEY"} {
		if strings.Contains(trail, secret) {
			t.Errorf("%s stands in the trail", secret)
		}
	}
	if !strings.Contains(trail, "import pki:pkcs12/fromfile") || !strings.Contains(trail, "web 127.0.0.1") {
		t.Errorf("the trail lacks what was done: %s", trail)
	}
}

func TestLicenses(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, "license-authority lab "+license.FormatIssuer(public))
	key, err := license.Sign(private, license.License{Kind: license.SIPSessions, Count: 20, Serial: 17})
	if err != nil {
		t.Fatal(err)
	}
	other := "A"
	if key[60] == 'A' {
		other = "B"
	}
	damaged := key[:60] + other + key[61:]
	p := b.login(t, "technician")
	p.open("/licenses")
	p.waitText("No key is installed.")
	for text, want := range map[string]string{
		key[:50]:                     "110",
		"install license " + damaged: "damaged",
		"reload force":               "Line 1 is no license key. Nothing was installed.",
		"# only a comment":           "There is no license key in this text.",
	} {
		p.fill("keys", text)
		p.submit()
		p.wait(`document.querySelector(".refusal")?.textContent.includes(` + str(want) + `)`)
		if typed := js[string](p, `document.querySelector("[name=keys]").value`); strings.TrimSpace(typed) != strings.TrimSpace(text) {
			t.Errorf("what was typed is lost: %q", typed)
		}
	}
	p.axe("a refused license")
	p.fill("keys", "# license 17: 20 sip-sessions, any system\n# [sip-sessions=20]\ninstall license "+key+"\n")
	p.submit()
	p.wait(`document.querySelector("main").innerText.includes("20 sip-sessions") && document.querySelector("main").innerText.includes("in force")`)
	p.waitText("24")
	if html := js[string](p, "document.documentElement.outerHTML"); strings.Contains(html, key) || strings.Contains(html, key[10:60]) {
		t.Error("a license key stands in the page")
	}
	p.look("licenses")
	o := b.login(t, "viewer")
	o.open("/licenses")
	o.waitText("24")
	if got := o.post("/licenses/erase", map[string]string{"id": license.ID(key), "answer": "yes"}); !strings.HasPrefix(got, "422 ") || !strings.Contains(got, "operator") {
		t.Errorf("an operator erased a license: %.300s", got)
	}
	if got := o.post("/licenses/install", map[string]string{"keys": key}); !strings.HasPrefix(got, "422 ") {
		t.Errorf("an operator installed a license: %.300s", got)
	}
	p.click("Erase")
	p.waitText("Erase this license key?")
	p.click("Erase")
	p.waitText("No key is installed.")
	p.click("technician")
	p.click("Deutsch")
	p.waitText("Was an der Grenze geschieht")
	p.glance("licenses-de")
}

func TestUsersAndTrail(t *testing.T) {
	b := newBox(t)
	p := b.login(t, "admin")
	p.open("/users")
	p.fill("name", "newcomer")
	p.fill("class", "administrator")
	p.fill("password", "start me up")
	p.fill("again", "start me down")
	p.submit()
	p.waitText("The two passwords differ.")
	p.fill("again", "start me up")
	p.submit()
	p.wait(`[...document.querySelectorAll("tbody strong")].some((e) => e.innerText === "newcomer")`)
	p.waitText("must be changed")

	// Its first login is forced to choose a password.
	n := b.browse(t)
	n.open("/login")
	n.fill("user", "newcomer")
	n.fill("password", "start me up")
	n.submit()
	n.fill("new", "chosen by me 7")
	n.fill("again", "chosen by me 7")
	n.submit()
	n.wait(`!!document.querySelector("header.top")`)

	// It changes its password, with the present one only.
	n.open("/users/password")
	n.fill("old", "start me up")
	n.fill("password", "another one 8")
	n.fill("again", "another one 8")
	n.submit()
	n.waitText("this is not the present password of newcomer")
	n.wait(`document.activeElement.name === "old"`)
	n.fill("old", "chosen by me 7")
	n.submit()
	n.wait(`document.querySelector(".toast")?.innerText.includes("The new password is in force")`)
	n.glance("users-password")
	if want := js[[]string](n, `[...document.querySelectorAll("input[type=password]")].map((e) => e.autocomplete)`); fmt.Sprint(want) != "[current-password new-password new-password]" {
		t.Errorf("autocomplete is %v", want)
	}

	// An administrator manages no accounts, by no page and by no request.
	n.open("/users")
	n.waitText("Only a superuser can change them.")
	if got := n.post("/users/set", map[string]string{"name": "newcomer", "class": "superuser", "password": "12345678", "again": "12345678"}); !strings.HasPrefix(got, "422 ") || !strings.Contains(got, "only a superuser can manage accounts") {
		t.Errorf("an administrator made himself a superuser: %.300s", got)
	}

	// A public key comes and goes.
	p.open("/users")
	p.fill("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hbnkgd29ya2VkIGFuZCBub25lIHdhcyB0aXJlZCEh <b>anna</b>@desk")
	p.submit()
	p.waitText("<b>anna</b>@desk")
	p.look("users")
	p.click("Remove")
	p.waitText("Remove this SSH key of admin?")
	p.click("Remove")
	p.wait(`location.pathname === "/users" && !document.querySelector(".sshkey")`)

	// The last account that manages accounts stays, also for a request that no page sends.
	if all := p.text("tbody"); !strings.Contains(all, "the last that manages accounts") {
		t.Errorf("%s", all)
	}
	for path, values := range map[string]map[string]string{
		"/users/delete": {"who": "admin", "answer": "yes"},
		"/users/set":    {"name": "admin", "class": "operator", "password": "12345678", "again": "12345678"},
	} {
		if got := p.post(path, values); !strings.HasPrefix(got, "422 ") || !strings.Contains(got, "admin is the last account that can log in and manage accounts") {
			t.Errorf("%s: %.300s", path, got)
		}
	}

	// An account goes after a question.
	js[bool](p, `(() => { [...document.querySelectorAll("tbody tr")].find((e) => e.innerText.includes("newcomer")).querySelector("button.danger").click(); return true; })()`)
	p.waitText("Delete the account newcomer and its SSH keys?")
	p.click("Delete")
	p.wait(`location.pathname === "/users" && ![...document.querySelectorAll("tbody strong")].some((e) => e.innerText === "newcomer")`)

	// The trail has what was done just now, without secrets, in pages.
	var lines []string
	for n := range 60 {
		lines = append(lines, fmt.Sprintf("banner \"number %d\"", n))
	}
	b.configure(t, lines...)
	p.open("/users/trail?account=admin")
	for _, want := range []string{"no administrator newcomer", "administrator newcomer password ***", "web 127.0.0.1"} {
		p.waitText(want)
	}
	if text := p.text("main"); strings.Contains(text, "number 7") {
		t.Error("the filter by account lets others through")
	}
	p.open("/users/trail")
	p.waitText("number 59")
	if text := p.text("main"); strings.Contains(text, "number 5\"") {
		t.Error("the first page has all")
	}
	p.click("Older")
	p.waitText(`number 5"`)
	p.open("/users/trail?kind=login")
	p.waitText("newcomer")
	p.look("users-trail")
	trail := b.status(t, "audit?last=500", "admin")
	for _, secret := range []string{"start me up", "chosen by me 7", "another one 8", "12345678"} {
		if strings.Contains(trail, secret) {
			t.Errorf("%s stands in the trail", secret)
		}
	}

	p.open("/users/sessions")
	p.waitText("web 127.0.0.1")
	p.glance("users-sessions")
	o := b.login(t, "viewer")
	o.open("/users/trail")
	o.wait(`document.querySelector("main").innerText.includes("HTTP 403")`)
	o.open("/users")
	o.click("viewer")
	o.click("Deutsch")
	o.waitText("Sie können die Konten ansehen.")
	o.glance("users-de")
}

// status is a part of the box's state as JSON, as a user may see it.
func (b *box) status(t testing.TB, part, user string) string {
	t.Helper()
	name, query, _ := strings.Cut(part, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	values.Set("user", user)
	var all json.RawMessage
	if err := b.client.Get(t.Context(), wire.PathStatus+"/"+name, values, &all); err != nil {
		t.Fatal(err)
	}
	return string(all)
}
