package provisioning

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/config"
)

// phone is all lines of one hardware address: several are the accounts of a phone, or the handsets of a DECT base.
type phone struct {
	mac   config.MAC
	model string
	lines []config.ProvisionedPhone
}

// phonesOf are the phones of a service, in the order of their first lines.
func phonesOf(p *config.ProvisioningService) (list []phone) {
	for _, l := range p.Phones {
		i := slices.IndexFunc(list, func(x phone) bool { return x.mac == l.MAC })
		if i < 0 {
			i, list = len(list), append(list, phone{mac: l.MAC, model: l.Model})
		}
		list[i].lines = append(list[i].lines, l)
	}
	return list
}

// maker decides about the files.
func (p *phone) maker() string { return p.lines[0].Maker() }

// address is that from which alone the phone may fetch; ok is false where none is configured.
func (p *phone) address() (a config.ACLHost, ok bool) {
	for _, l := range p.lines {
		if len(l.Address.Networks()) > 0 {
			return l.Address, true
		}
	}
	return a, false
}

// label is what the phone is called by people.
func (p *phone) label() string { return p.lines[0].Label }

// Values are what a template has. Every text is fit for the format already: a template can neither forget that nor undo it.
type Values struct {
	MAC, Model    string // of the phone; empty in common files
	URL           string // of the box, with a slash at its end
	File          string // URL of the phone's own file, as Snom wants it
	Root          root
	Language      string // "en" or "de"
	NTP           string // "": the phone's own
	Zone          zone
	Transport     string // "udp" or "tls"
	SRTP          string // "off", "optional" or "mandatory"
	Administrator string // password of the phone's own pages; "": the maker's stays
	Codecs        []codec
	Accounts      []account
	Servers       []account // the first account, for makers that have servers apart from accounts
}

// root is where the box's own root certificate is; empty without one.
type root struct{ PEM, DER string }

type server struct{ Host, Port string }

// account is one account of a phone.
type account struct {
	Number, BackupNumber string // 1, 2, ...; behind all of them those for the second server
	Handset              string // 00001, ...
	Identity             string
	User, Password       string
	Label, Name          string // on its display, and what others see
	CallerID             string
	Domain               string // behind the @ of its address
	Server, Backup       server // Backup.Host "": there is none
	Proxy                bool   // Server is not Domain
	Expires              string // seconds
	MessageWaiting       bool
}

// codec is one that phones may have.
type codec struct {
	Name     string // pcma, pcmu, g722, g729, opus
	Use      bool
	Priority string // 1 is the first; "" when it is not used
}

// zone is the local time of the box, as makers write it.
type zone struct {
	Name    string // IANA; "": the box has an offset only
	Offset  string // +1, +5:30, 0
	Seconds string // 3600
	Snom    string // GER+1; "": not known
	Summer  bool
	Begin   string // 3/5/7/2: month, week (5 is the last), day of the week (7 is Sunday), hour by the clock before it
	End     string
	Minutes string // by which the clock is put forward
}

// common are the values that hold for every phone of a service.
func common(cfg *config.Config, p *config.ProvisioningService, local netip.AddrPort, hasRoot bool, now time.Time) Values {
	v := Values{Language: p.Language, Transport: p.Transport, Zone: zoneOf(cfg.Clock, now), SRTP: "off"}
	switch {
	case local.Port() == 80:
		v.URL = "http://" + hostURL(local.Addr()) + "/"
	case local.Port() != 0:
		v.URL = "http://" + local.String() + "/"
	default:
		v.URL = "tftp://" + hostURL(local.Addr()) + "/"
	}
	if hasRoot {
		v.Root = root{v.URL + rootPEM, v.URL + rootDER}
	}
	if cfg.SNTP.Enabled && len(cfg.SNTP.Servers) > 0 {
		v.NTP = cfg.SNTP.Servers[0].Host
	}
	var profile *config.VoIPProfile
	if _, i := interfaceOf(cfg, p); i != nil {
		profile = i.VoIP.In(cfg)
	}
	v.Codecs = codecsOf(profile)
	switch {
	case profile == nil || profile.SRTP == "disabled":
	case profile.SRTP == "forced":
		v.SRTP = "mandatory"
	case p.Transport == "tls": // keys on a line that anybody can read protect nothing
		v.SRTP = "optional"
	}
	return v
}

func hostURL(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// interfaceOf is the interface whose peers are the phones of a service; nil: none is.
func interfaceOf(cfg *config.Config, p *config.ProvisioningService) (*config.Switch, *config.SIPInterface) {
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if !i.Phones.IsZero() && i.Phones == p.Location {
				return s, i
			}
		}
	}
	return nil, nil
}

// settings are the values of one phone. An error is for an administrator.
func settings(cfg *config.Config, p *config.ProvisioningService, x phone, v Values, local netip.AddrPort, sealed func(config.Secret) bool) (Values, error) {
	l := p.Location.In(cfg)
	if l == nil {
		return v, errors.New("the provisioning-service has no location-service")
	}
	v.MAC, v.Model = string(x.mac), x.model
	v.File = v.URL + strings.ToUpper(string(x.mac)) + ".xml"
	if sealed(p.Administrator) {
		return v, errors.New("the administrator-password was sealed by another box: enter it again")
	}
	v.Administrator = string(p.Administrator)
	main, domain, err := serverOf(cfg, p, l, local)
	if err != nil {
		return v, err
	}
	for n, line := range x.lines {
		c, ok := l.PhoneAccount(cfg, line.Identity)
		if !ok {
			return v, fmt.Errorf("identity %s has no account in location-service %s (authentication inbound)", line.Identity, l.Name)
		}
		if sealed(c.Password) {
			return v, fmt.Errorf("the password of %s was sealed by another box: enter it again", c.Username)
		}
		if why, guessable := config.WeakPhonePassword(c.Password, c.Username, line.Identity, line.MAC); guessable {
			return v, fmt.Errorf("identity %s: %s", line.Identity, why)
		}
		a := account{
			Number: strconv.Itoa(n + 1), BackupNumber: strconv.Itoa(len(x.lines) + n + 1), Handset: fmt.Sprintf("%05d", n+1),
			Identity: line.Identity, User: c.Username, Password: string(c.Password), Label: line.Label, Name: line.Identity, CallerID: line.Identity,
			Domain: domain, Server: main, Proxy: domain != main.Host, Expires: "300",
		}
		for _, i := range l.Identities {
			if i.Name == line.Identity {
				a.Name = cmp.Or(i.DisplayName, i.Name)
				a.CallerID = cmp.Or(i.CallerID, i.Name)
			}
		}
		a.Label = cmp.Or(a.Label, a.Name)
		f, _ := l.Settings(line.Identity)
		if f.Inbound != nil && f.Inbound.Default > 0 {
			a.Expires = strconv.Itoa(int(f.Inbound.Default / time.Second))
		}
		a.MessageWaiting = f.MessageWaiting
		if p.Backup.Host != "" {
			a.Backup = server{p.Backup.Host, port(p.Backup.Port, p.Transport)}
		}
		v.Accounts = append(v.Accounts, a)
	}
	v.Servers = v.Accounts[:1]
	return v, nil
}

// serverOf is where phones register, and the domain of their addresses. Without a line it is this box: the port is that of the gateway at the
// same address, the domain the first one of the location service.
func serverOf(cfg *config.Config, p *config.ProvisioningService, l *config.LocationService, local netip.AddrPort) (s server, domain string, err error) {
	if p.Server.Host != "" {
		return server{p.Server.Host, port(p.Server.Port, p.Transport)}, p.Server.Host, nil
	}
	domain = local.Addr().String()
	if len(l.Domains) > 0 {
		domain = slices.MinFunc(l.Domains, func(a, b config.Domain) int { return a.Index - b.Index }).Host
	}
	for _, g := range cfg.Gateways {
		for _, i := range g.Interfaces {
			if !g.Enabled || cfg.Address(i.Bind) != local.Addr() || !slices.Contains(g.Location, p.Location) && !bound(cfg, p, g) {
				continue
			}
			for _, at := range i.Ports() {
				if slices.Contains(at.Transports, p.Transport) {
					return server{local.Addr().String(), strconv.Itoa(int(at.Port))}, domain, nil
				}
			}
		}
	}
	return s, "", fmt.Errorf("no context sip-gateway has a port for %s at %s for location-service %s", p.Transport, local.Addr(), l.Name)
}

// bound reports whether phones come by a gateway because their interface is bound to it.
func bound(cfg *config.Config, p *config.ProvisioningService, g *config.SIPGateway) bool {
	_, i := interfaceOf(cfg, p)
	return i != nil && i.Gateway.Name == g.Name
}

func port(given uint16, transport string) string {
	switch {
	case given != 0:
		return strconv.Itoa(int(given))
	case transport == "tls":
		return "5061"
	}
	return "5060"
}

// codecNames are the codecs that phones have, by the words of `codec` lines, and in the order in which they are offered without any.
var codecNames = []struct{ word, name string }{{"g722", "g722"}, {"g711alaw64k", "pcma"}, {"g711ulaw64k", "pcmu"}, {"g729", "g729"}, {"opus", "opus"}}

// codecsOf are those of a profile voip, in its order, and behind them those that are not used.
func codecsOf(p *config.VoIPProfile) (list []codec) {
	use := []string{"g722", "g711alaw64k", "g711ulaw64k"}
	if p != nil && len(p.Codecs) > 0 {
		use = nil
		ordered := slices.SortedStableFunc(slices.Values(p.Codecs), func(a, b config.Codec) int { return a.Index - b.Index })
		for _, c := range ordered {
			use = append(use, strings.TrimSuffix(strings.TrimSuffix(c.Name, "-64k"), "a"))
		}
	}
	for _, word := range use {
		i := slices.IndexFunc(codecNames, func(c struct{ word, name string }) bool { return c.word == word })
		if i >= 0 && !slices.ContainsFunc(list, func(c codec) bool { return c.Name == codecNames[i].name }) {
			list = append(list, codec{codecNames[i].name, true, strconv.Itoa(len(list) + 1)})
		}
	}
	for _, c := range codecNames {
		if !slices.ContainsFunc(list, func(x codec) bool { return x.Name == c.name }) {
			list = append(list, codec{Name: c.name})
		}
	}
	return list
}

// snomZones are words of Snom's for zones.
var snomZones = map[string]string{
	"Europe/Berlin": "GER+1", "Europe/Vienna": "AUT+1", "Europe/Zurich": "CHE+1", "Europe/Paris": "FRA+1", "Europe/Rome": "ITA+1",
	"Europe/Amsterdam": "NLD+1", "Europe/Brussels": "BEL+1", "Europe/Madrid": "ESP+1", "Europe/London": "GBR-0",
}

// zoneOf describes the zone of the box in the year of now.
func zoneOf(c config.LocalClock, now time.Time) (z zone) {
	l := c.Location()
	if strings.Contains(c.Zone, "/") {
		z.Name, z.Snom = c.Zone, snomZones[c.Zone]
	}
	year := now.In(l).Year()
	winter, summer := time.Date(year, 1, 1, 12, 0, 0, 0, l), time.Date(year, 7, 1, 12, 0, 0, 0, l)
	_, offset := winter.Zone()
	_, other := summer.Zone()
	ahead := summer
	if other < offset { // in the south
		ahead, offset, other = winter, other, offset
	}
	z.Offset, z.Seconds = offsetOf(offset), strconv.Itoa(offset)
	if begin, end := ahead.ZoneBounds(); other != offset && !begin.IsZero() && !end.IsZero() {
		z.Summer, z.Minutes = true, strconv.Itoa((other-offset)/60)
		standard, daylight := time.FixedZone("", offset), time.FixedZone("", other)
		z.Begin, z.End = changeOf(begin.In(standard)), changeOf(end.In(daylight))
	}
	return z
}

func offsetOf(seconds int) string {
	sign, minutes := "+", seconds/60
	switch {
	case minutes == 0:
		return "0"
	case minutes < 0:
		sign, minutes = "-", -minutes
	}
	if minutes%60 != 0 {
		return fmt.Sprintf("%s%d:%02d", sign, minutes/60, minutes%60)
	}
	return fmt.Sprintf("%s%d", sign, minutes/60)
}

// changeOf writes when clocks are changed: month, week, day of the week, hour.
func changeOf(t time.Time) string {
	week := (t.Day()-1)/7 + 1
	if t.AddDate(0, 0, 7).Month() != t.Month() {
		week = 5 // the last
	}
	return fmt.Sprintf("%d/%d/%d/%d", t.Month(), week, (int(t.Weekday())+6)%7+1, t.Hour())
}
