package interop

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// phonesAddr is where phones of these tests are, in the LAN beside the PBX.
var phonesAddr = netip.MustParseAddr("192.168.1.150")

// phonesHere are replacements in the reference configuration that let so many phones register, as 10000, 10001, ... with the passwords of
// phonePassword.
func phonesHere(n int) []string {
	var accounts, identities strings.Builder
	for i := range n {
		fmt.Fprintf(&accounts, "  username %s password %s\n", phoneName(i), phonePassword(i))
		fmt.Fprintf(&identities, "  identity %s inherits PHONES\n", phoneName(i))
	}
	return []string{
		"context cs SWITCH\n\n", `authentication-service AUTH_PHONES
` + accounts.String() + `
location-service LS_PHONES
  domain 1 192.168.1.1
  identity-group PHONES
    authentication inbound
      authenticate 1 authentication-service AUTH_PHONES
    registration inbound
      lifetime default 60 min 60 max 3600
` + identities.String() + `
context cs SWITCH

`,
		"  interface sip if_sip_starface\n", `  interface sip IF_PHONES
    bind context sip-gateway gw_sip_lan_5060
    route call dest-table rt_from_starface
    use location-service LS_PHONES
    use profile voip pf_voip_starface
    trust 192.168.1.0/24

  interface sip if_sip_starface
`,
	}
}

func phoneName(i int) string     { return strconv.Itoa(10000 + i) }
func phonePassword(i int) string { return fmt.Sprintf("%d-hush", 7*i) }

// allRegister has SIPp register so many phones at once, each twice.
func (s *setting) allRegister(n int) {
	s.Helper()
	var accounts strings.Builder
	accounts.WriteString("SEQUENTIAL\n")
	for i := range n {
		fmt.Fprintf(&accounts, "%s;[authentication username=%s password=%s]\n", phoneName(i), phoneName(i), phonePassword(i))
	}
	all := strconv.Itoa(n)
	p := s.sipp(s.world.LAN, phonesAddr.String(), "phones-register", "-inf", s.file("accounts.csv", accounts.String()), "-r", all, "-l", all, "-m", all,
		"-buff_size", "4194304", "192.168.1.1:5060")
	if err := p.Wait(); err != nil {
		s.Errorf("not every phone was registered: %v", err)
	}
}

// All phones of a house come back at once when the power does. Every one is registered, and is still reached after a restart of the box.
func TestPhonesComeBackAtOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	s := set(t, phonesHere(n)...)
	if err := s.world.LAN.AddAddress("lo", 32, phonesAddr); err != nil {
		t.Fatal(err)
	}
	s.allRegister(n)
	s.wantPhones(n)
	if _, err := s.box.Exec(s.ctx, "copy running-config startup-config"); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.box.Start(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.wantPhones(n)
}

// wantPhones waits until the box lists so many phones.
func (s *setting) wantPhones(n int) {
	s.Helper()
	s.until(fmt.Sprint(n, " phones"), func() bool {
		text, err := s.box.Exec(s.ctx, "show sip bindings")
		return err == nil && strings.HasSuffix(text, fmt.Sprintf("\n%d phones\n", n)) && strings.Count(text, " "+phonesAddr.String()+":") == n
	})
}
