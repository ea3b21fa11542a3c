package wizard

import (
	"fmt"
	"strings"
)

// Names in the tenant.
const (
	usage  = "Viaduct SBC"
	policy = "Viaduct SBC"
)

// Tenant writes the lines of PowerShell that make the tenant use the box: the gateway, the way of numbers to it, and the users. The module
// MicrosoftTeams must be there.
func Tenant(a Answers) string {
	a.Numbers = a.Numbers.trimmed()
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := quoted(a.fqdn())
	f("# Microsoft Teams Direct Routing through %s.", a.fqdn())
	f("# Once on the computer: Install-Module MicrosoftTeams -Scope CurrentUser")
	f("Connect-MicrosoftTeams%s", clouds[a.Teams.Cloud].connect)
	f("")
	f("# The domain of the name must be verified in the tenant, and have a licensed user.")
	f("New-CsOnlinePSTNGateway -Fqdn %s -SipSignalingPort %d -MaxConcurrentSessions %s -SendSipOptions $true -MediaBypass $false -Enabled $true", name, a.port(), strings.TrimSpace(a.Teams.Sessions))
	f("")
	f("# All numbers go to the box.")
	f("Set-CsOnlinePstnUsage -Identity Global -Usage @{Add=%s}", quoted(usage))
	f("New-CsOnlineVoiceRoute -Identity %s -NumberPattern '.*' -OnlinePstnGatewayList %s -OnlinePstnUsages %s", quoted(usage), name, quoted(usage))
	f("New-CsOnlineVoiceRoutingPolicy -Identity %s -OnlinePstnUsages %s", quoted(policy), quoted(usage))
	count, extensions := between(a.Numbers.Extension, 2, 5)
	if extensions {
		f("")
		f("# %d digits that a user dials are an extension of the PBX.", count)
		f("New-CsTenantDialPlan -Identity %s", quoted(policy))
		f(`$rule = New-CsVoiceNormalizationRule -InMemory -Parent %s -Name 'Extensions' -Pattern '^(\d{%d})$' -Translation '+%s$1'`, quoted(policy), count, a.Numbers.Country)
		f("Set-CsTenantDialPlan -Identity %s -NormalizationRules @{Add=$rule}", quoted(policy))
	}
	if len(a.Users) > 0 {
		f("")
		f("# The users. Each needs a license with Teams Phone.")
	}
	for _, u := range a.Users {
		if u.SignIn == "" {
			f("# %s (%s): the table has no sign-in name. Put it in place of NAME:", u.number(a.Numbers), u.Account)
			f("# Set-CsPhoneNumberAssignment -Identity 'NAME' -PhoneNumber %s -PhoneNumberType DirectRouting", quoted(u.number(a.Numbers)))
			f("# Grant-CsOnlineVoiceRoutingPolicy -Identity 'NAME' -PolicyName %s", quoted(policy))
			continue
		}
		f("Set-CsPhoneNumberAssignment -Identity %s -PhoneNumber %s -PhoneNumberType DirectRouting", quoted(u.SignIn), quoted(u.number(a.Numbers)))
		f("Grant-CsOnlineVoiceRoutingPolicy -Identity %s -PolicyName %s", quoted(u.SignIn), quoted(policy))
		if extensions {
			f("Grant-CsTenantDialPlan -Identity %s -PolicyName %s", quoted(u.SignIn), quoted(policy))
		}
	}
	f("")
	f("# Afterwards: the gateway should be there, and active within some minutes of the first calls.")
	f("Get-CsOnlinePSTNGateway -Identity %s", name)
	return b.String()
}

// quoted writes text as one value of PowerShell, in which nothing is expanded. PowerShell takes the typographic quotes for single ones, too.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range text {
		if strings.ContainsRune("'‘’‚‛", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// Record is a record that somebody makes in a name server.
type Record struct {
	Public bool // in the internet; else on the site
	Name   string
	Type   string
	Value  string // "" is what the page says with Why
	Why    string // a word of Reasons
}

// Rule is a rule of the firewall in front of the box.
type Rule struct {
	In       bool // from the internet to the box
	Protocol string
	Port     string // at the destination
	Peers    []string
	Why      string // a word of Reasons
}

// Reasons are all words that a Record or a Rule may have.
var Reasons = []string{"name", "name-leased", "acme-record", "pbx-name",
	"signalling-in", "signalling-out", "media-in", "media-out", "names", "time", "acme-http", "acme-tls", "acme-out"}

// Records are those that others make.
func Records(a Answers) (list []Record) {
	name := Record{Public: true, Name: a.fqdn(), Type: "A", Value: a.publicAddress(), Why: "name"}
	if name.Value == "" {
		name.Why = "name-leased"
	}
	list = append(list, name)
	if a.Certificate.From == ACME && a.Certificate.Challenge == "dns-persist" {
		list = append(list, Record{Public: true, Name: "_validation-persist." + a.fqdn(), Type: "TXT", Why: "acme-record"})
	}
	if host := strings.TrimSpace(a.PBX.Name); host != "" {
		list = append(list, Record{Name: host, Type: "A", Value: a.pbxAddress().String(), Why: "pbx-name"})
	}
	return list
}

// publicAddress is that of the box in the internet, "" when nobody knows it yet.
func (a Answers) publicAddress() string {
	if public := strings.TrimSpace(a.Network.Public); public != "" {
		return public
	}
	if wan, ok := network(a.Network.WAN); ok && !a.Network.DHCP {
		return wan.Addr().String()
	}
	return ""
}

// Rules are those of the firewall in front.
func Rules(a Answers) []Rule {
	c := clouds[a.Teams.Cloud]
	rules := []Rule{
		{In: true, Protocol: "TCP", Port: fmt.Sprint(a.port()), Peers: c.signals, Why: "signalling-in"},
		{Protocol: "TCP", Port: "5061", Peers: c.signals, Why: "signalling-out"},
		{In: true, Protocol: "UDP", Port: "16384-32767", Peers: c.media, Why: "media-in"},
		{Protocol: "UDP", Port: "3478-3481, 49152-53247", Peers: c.media, Why: "media-out"},
		{Protocol: "UDP, TCP", Port: "53", Peers: once(list(a.Network.DNS)), Why: "names"},
		{Protocol: "UDP", Port: "123", Peers: once(list(a.Network.NTP)), Why: "time"},
	}
	if a.Certificate.From != ACME {
		return rules
	}
	rules = append(rules, Rule{Protocol: "TCP", Port: "443", Why: "acme-out"})
	switch a.Certificate.Challenge {
	case "http":
		rules = append(rules, Rule{In: true, Protocol: "TCP", Port: "80", Why: "acme-http"})
	case "tls-alpn":
		rules = append(rules, Rule{In: true, Protocol: "TCP", Port: "443", Why: "acme-tls"})
	}
	return rules
}
