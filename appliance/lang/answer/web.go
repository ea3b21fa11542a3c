package answer

import (
	"fmt"
	"net"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Web shows the web server. The code is that with which the first account is made; "": none is needed, or this is not the place to show it.
func (pg Page) Web(w status.Web, code string) {
	if w.Port == 0 {
		pg.Printf("The web page is off: `webserver https` switches it on.\n")
		return
	}
	for _, a := range w.Addresses {
		pg.Printf("Served at: %s\n", WebURL(a.String(), w.Port))
	}
	if len(w.Addresses) == 0 {
		pg.Printf("Served at: - (no network that has access has an address of the box; `show config problems` may say more)\n")
	}
	redirect := "off"
	if w.Redirect != 0 {
		redirect = fmt.Sprintf("port %d leads to it", w.Redirect)
	}
	pg.Printf("Without HTTPS: %s\n", redirect)
	by := "made by the box itself: browsers ask before they take it, compare the SHA-256 then"
	if w.Profile != "" {
		by = "that of profile tls " + w.Profile
	}
	pg.Folded("Certificate: ", by)
	if w.SHA256 != "" {
		pg.Printf("Names: %s\n", dash(strings.Join(w.Names, ", ")))
		pg.Printf("Key: %s\n", w.KeyType)
		pg.Printf("Ends: %s\n", w.NotAfter.In(pg.Zone).Format(time.DateOnly))
		pg.Printf("SHA-256: %s\n", w.SHA256)
	}
	if w.Problem != "" {
		pg.Folded("Problem: ", "the certificate of the configured profile is not shown: "+w.Problem)
	}
	if w.Due != "" {
		pg.Folded("To come: ", "a new certificate, once nobody has used the page for 15 minutes: "+w.Due)
	}
	pg.Printf("Tokens of machines: %s\n", plural.Of(w.Tokens, "token"))
	switch {
	case code != "":
		pg.Printf("Set-up code: %s (the page asks for it, to make the first account)\n", code)
	case w.SetUp:
		pg.Printf("Set-up code: shown at the box alone, at its serial line\n")
	}
}

// WebURL is what people type into their browser.
func WebURL(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == 443 {
		return "https://" + host + "/"
	}
	return "https://" + net.JoinHostPort(strings.Trim(host, "[]"), fmt.Sprint(port)) + "/"
}
