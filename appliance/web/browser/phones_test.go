package browser

import "testing"

// The page names the identities as which phones may register, finds one of them, and says how it is with the peers whose loss is survived.
func TestPhonesAreShown(t *testing.T) {
	b := newBox(t,
		"location-service LS", "identity 21", `display-name "Anna Meier"`, "registration inbound", "exit", "exit", "identity 22", "registration inbound", "exit", "exit", "identity 23", "exit", "exit",
		"context cs SWITCH", "interface sip if_sip_pbx", "remote 10.108.2.100", "exit", "survival PBX", "watch interface if_sip_pbx", "route from if_sip_pbx dest-interface if_sip_pbx", "exit")
	p := b.login(t, "technician")
	p.open("/phones")
	p.waitText("0 of 2 identities have a phone here.")
	p.waitText("Anna Meier")
	p.waitText("not registered")
	p.waitText("While a peer is gone")
	p.look("phones")
	p.fill("q", "anna")
	p.click("Find")
	p.wait(`location.search.includes("anna") && document.querySelectorAll("#phones-head ~ table tbody tr").length === 1`)
}
