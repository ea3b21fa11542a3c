package word

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
)

// TableKeys are the properties of a call that a table may be keyed with.
const TableKeys = "called-e164|calling-e164|called-uri|calling-uri|called-name|calling-name|called-ip|calling-ip|calling-pi|calling-si|time|date|day-of-week"

// Kinds of objects that a box has outside its configuration.
const (
	OutsideKeys          = "keys"
	OutsideCertificates  = "certificates"
	OutsideCalls         = "calls"
	OutsideRegistrations = "registrations"
	OutsideRecords       = "records"
	OutsideTraced        = "traced"
	OutsideVersions      = "versions"
	OutsideBans          = "bans"
	OutsidePeers         = "peers"
	OutsideAlarms        = "alarms"
	OutsidePresence      = "presence"
	OutsidePhones        = "phones"
)

// own has the Go types of words that are not plain text, numbers or references.
var own = map[reflect.Type]cli.Type{
	reflect.TypeFor[config.Secret](): {What: "secret", Free: true, Secret: true,
		Print: func(v any) string { return string(v.(config.Secret)) }},
	reflect.TypeFor[config.Property](): {What: "property", Words: Strings(
		config.CalledE164, config.CallingE164, config.CalledURI, config.CallingURI, config.CalledName, config.CallingName,
		config.CalledIP, config.CallingIP, config.CallingPI, config.CallingSI, config.E164, config.URI, config.Name)},
	reflect.TypeFor[config.Cause](): {What: "cause, or its number of Q.850", Words: Strings(config.Causes()...), Parse: parseCause},
	reflect.TypeFor[config.Pattern](): {What: "key", Free: true,
		Parse: func(w string, _ any) (any, error) { return config.ParsePattern(w) },
		Print: func(v any) string { return v.(config.Pattern).String() }},
	reflect.TypeFor[config.Source]():  {What: "network, for example 192.0.2.0/24", Words: []string{"remote", "microsoft-teams"}, Parse: parseSource, Print: printSource},
	reflect.TypeFor[netip.Addr]():     {What: "address", Parse: parseAddr, Print: printAddr},
	reflect.TypeFor[netip.Prefix]():   {What: "address/length", Parse: parsePrefix},
	reflect.TypeFor[config.MAC]():     {What: "hardware address such as 00:15:65:aa:bb:cc", Parse: parseMAC, Print: func(v any) string { return v.(config.MAC).String() }},
	reflect.TypeFor[config.ACLHost](): {What: "any, microsoft-teams, an address or a network", Words: []string{"any", "microsoft-teams"}, Help: map[string]string{"microsoft-teams": "The networks of Microsoft Teams, signalling and media"}, Parse: parseACLHost, Print: printACLHost},
	reflect.TypeFor[config.PresenceCloud](): {What: "cloud", Words: Strings(config.PresenceClouds...),
		Help: map[string]string{"global": "Microsoft 365", "gcc": "GCC, which has the servers of `global`", "gcc-high": "GCC High", "dod": "Department of Defense", "china": "21Vianet, where Graph has no presence"}},
	reflect.TypeFor[config.PresenceMatch](): {What: "match", Words: Strings(config.MatchMail, config.MatchUPN, config.MatchEmployeeID, config.MatchPhone),
		Help: map[string]string{"mail": "The part of the mail address before the @ is the identity", "upn": "The part of the user principal name before the @ is the identity",
			"employee-id": "The employee ID is the identity, or the extension", "phone": "A mapping table makes an identity of a business phone number"}},
	reflect.TypeFor[config.PresenceState](): {What: "state", Words: Strings(config.PresenceStates...)},
	reflect.TypeFor[config.PKIName]():       {What: "name in the key store", Outside: OutsideKeys, Parse: parsePKI("certificate", "private-key", "diffie-hellman-parameters")},
}

// Kinds returns the forms of words whose Go type does not say enough, by their names in the table (<host:host>).
func Kinds() map[string]cli.Type { return maps.Clone(kinds) }

var kinds = map[string]cli.Type{
	"name":        {What: "name", Parse: parseName},
	"value":       {What: "text, not empty", Free: true, Parse: parseValue},
	"text":        {What: "text, in quotes if it has blanks", Free: true},
	"host":        {What: "host name or address", Parse: parseHost},
	"digits":      {What: "digits", Parse: parseDigits},
	"country":     {What: "country code, one to three digits", Parse: parseCountry},
	"ipv4":        {What: "IPv4 address", Parse: parseIPv4, Print: printAddr},
	"zone":        {What: "time zone such as Europe/Berlin, or an offset such as +01:00", Parse: parseZone},
	"ssh-key":     {What: "public key in base64, starting with AAAA", Parse: parseSSHKey},
	"ed25519":     {What: "Ed25519 public key in base64, 43 characters", Parse: parseEd25519},
	"number":      {What: "number", Parse: parseDigits},
	"member":      {What: "small letters, digits and hyphens, 32 at most", Parse: parseMember},
	"pin":         {What: "SHA-256 of a public key, 64 hex digits", Parse: parsePin},
	"fingerprint": {What: "SHA-256 of a certificate, 64 hex digits", Parse: parseFingerprint},
	"profile":     {What: "name"},
	"certificate": {What: "pki:certificate/NAME", Outside: OutsideCertificates, Parse: parsePKI("certificate")},
	"private-key": {What: "pki:private-key/NAME", Parse: parsePKI("private-key")},
	"request":     {What: "pki:certificate-request/NAME", Parse: parsePKI("certificate-request")},
	"pkcs12":      {What: "pki:pkcs12/NAME", Parse: parsePKI("pkcs12")},
	"dh":          {What: "pki:diffie-hellman-parameters/NAME", Parse: parsePKI("diffie-hellman-parameters")},
	"gateway":     {What: "context sip-gateway", Names: refer[global, config.Ref[global, config.SIPGateway]]("").word.Names},
	"acme":        {What: "profile acme", Names: refer[global, config.Ref[global, config.ACMEProfile]]("").word.Names},
	"domain":      {What: "name of the box in the DNS", Parse: parseDomain},
	"mail":        {What: "mail address", Parse: parseMail},
	"directory":   {What: "letsencrypt, or the https URL of a directory", Words: []string{config.LetsEncrypt}, Parse: parseDirectory},
	"https":       {What: "URL of a web server, with https", Parse: parseHTTPS},
	"tenant":      {What: "ID or domain of a tenant", Parse: parseTenant},
	"guid":        {What: "ID such as 11111111-2222-3333-4444-555555555555", Parse: parseGUID},
	"user":        {What: "user principal name or mail address", Parse: parseUser},
	"identity":    {What: "identity", Names: identityNames, Parse: parseName},
	"shown":       {What: "text for a display, in quotes if it has blanks", Free: true, Parse: parseShown},
	"caller":      {What: "number, with or without a leading +", Parse: parseCaller},
	"model":       {What: "maker and model, such as yealink-t46s", Parse: parseModel},
	"day":         {What: "day such as 2027-06-30", Parse: parseDay, Print: printDay},
	"proxy":       {What: "URL of a proxy, such as http://192.168.1.9:3128", Parse: parseProxy},
	"call":        {What: "call in progress, by its ID", Outside: OutsideCalls},
	"registered":  {What: "registered identity", Outside: OutsideRegistrations},
	"traced":      {What: "call, by its ID or Call-ID", Outside: OutsideTraced},
	"record":      {What: "past call, by its ID or Call-ID", Outside: OutsideRecords},
	"called":      {What: "number, or a part of it"},
	"moment":      {What: "time such as 08:00, 2006-01-31 or 2006-01-31T08:00, or how long ago, such as 2h or 3d"},
	"peer":        {What: "interface sip whose peer it is", Outside: OutsidePeers},
	"raised":      {What: "alarm, as `show alarms` names it", Outside: OutsideAlarms},
	"of":          {What: "number, its last digits, an interface sip or an address", Free: true},
	"banned":      {What: "address", Outside: OutsideBans, Parse: parseAddr, Print: printAddr},
	"password":    {What: "password, up to the next blank", Free: true, Secret: true, Print: own[reflect.TypeFor[config.Secret]()].Print},
	"token":       {What: "token, 20 characters or more", Free: true, Secret: true, Parse: parseToken, Print: own[reflect.TypeFor[config.Secret]()].Print},
	"token-hash":  {What: "hash of a token", Free: true, Secret: true, Parse: parseTokenHash, Print: own[reflect.TypeFor[config.Secret]()].Print},
	"hash":        {What: "hash of a password", Free: true, Secret: true, Parse: parseHash, Print: own[reflect.TypeFor[config.Secret]()].Print},
}

// Strings converts a list of names to plain strings.
func Strings[S ~string](list ...S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// sound reports whether an address has no zone and is not an IPv4 address in IPv6 form.
func sound(a netip.Addr) bool { return a.Zone() == "" && !a.Is4In6() }

func parseAddr(w string, _ any) (any, error) {
	a, err := netip.ParseAddr(w)
	if err != nil || !sound(a) {
		return nil, fmt.Errorf("%q is not an IPv4 or IPv6 address", w)
	}
	return a, nil
}

func parseIPv4(w string, _ any) (any, error) {
	a, err := netip.ParseAddr(w)
	if err != nil || !a.Is4() {
		return nil, fmt.Errorf("%q is not an IPv4 address", w)
	}
	return a, nil
}

func printAddr(v any) string {
	if a := v.(netip.Addr); a.IsValid() {
		return a.String()
	}
	return ""
}

func parsePrefix(w string, _ any) (any, error) {
	p, err := netip.ParsePrefix(w)
	if err != nil || !sound(p.Addr()) {
		return nil, fmt.Errorf("%q is not an address with a prefix length, such as 192.0.2.1/24 or 2001:db8::1/64", w)
	}
	return p, nil
}

func parseSource(w string, _ any) (any, error) {
	switch w {
	case "remote":
		return config.Source{Remote: true}, nil
	case "microsoft-teams":
		return config.Source{Teams: true}, nil
	}
	if a, err := netip.ParseAddr(w); err == nil && a.Is4() {
		return config.Source{Prefix: netip.PrefixFrom(a, 32)}, nil
	}
	p, err := netip.ParsePrefix(w)
	if err != nil || !p.Addr().Is4() {
		return nil, fmt.Errorf("%q is not a source: use remote, microsoft-teams, or a network such as 192.0.2.0/24", w)
	}
	return config.Source{Prefix: p.Masked()}, nil
}

// parseCause accepts the name of a cause as in the manual, as in older configurations, or its number.
func parseCause(w string, _ any) (any, error) {
	if c, ok := config.ParseCause(w); ok {
		return c, nil
	}
	text := fmt.Sprintf("%q is not a cause", w)
	if near := cli.Nearest(w, Strings(config.Causes()...)); len(near) > 0 {
		text += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return nil, errors.New(text)
}

func printSource(v any) string {
	switch s := v.(config.Source); {
	case s.Remote:
		return "remote"
	case s.Teams:
		return "microsoft-teams"
	case s.Prefix.IsValid():
		return s.Prefix.String()
	}
	return ""
}

// parseACLHost accepts "any", "microsoft-teams", an address or a network.
func parseACLHost(w string, _ any) (any, error) {
	switch w {
	case "any":
		return config.ACLHost{}, nil
	case "microsoft-teams":
		return config.ACLHost{Teams: true}, nil
	}
	if a, err := netip.ParseAddr(w); err == nil && sound(a) {
		return config.ACLHost{Prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := parsePrefix(w, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is not any, microsoft-teams, an address, or a network such as 192.0.2.0/24", w)
	}
	return config.ACLHost{Prefix: p.(netip.Prefix).Masked()}, nil
}

func printACLHost(v any) string {
	h := v.(config.ACLHost)
	switch p := h.Prefix; {
	case h.Teams:
		return "microsoft-teams"
	case !p.IsValid():
		return "any"
	case p.IsSingleIP():
		return p.Addr().String()
	default:
		return p.String()
	}
}

// notOfClass is a word that names nothing of these classes in the key store.
type notOfClass struct {
	word    string
	classes []string
}

func (e notOfClass) Error() string {
	return fmt.Sprintf("%q must be pki:%s/NAME", e.word, strings.Join(e.classes, "/NAME or pki:"))
}

// With implements cli.Together: commands that begin alike take different classes. A name that is wrong within its class says more.
func (e notOfClass) With(other error) error {
	if o, ok := other.(notOfClass); ok {
		return notOfClass{e.word, slices.Concat(e.classes, o.classes)}
	} else if other != nil {
		return other
	}
	return e
}

// parsePKI accepts "pki:CLASS/NAME". Names become file names: they may have dots, but must not be paths.
func parsePKI(classes ...string) func(string, any) (any, error) {
	return func(w string, _ any) (any, error) {
		rest, ok := strings.CutPrefix(w, "pki:")
		class, name, ok2 := strings.Cut(rest, "/")
		if !ok || !ok2 || !slices.Contains(classes, class) {
			return nil, notOfClass{w, classes}
		}
		if name == "" || len(name) > 100 || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("%q is not a valid name in the key store", name)
		}
		return config.PKIName(w), nil
	}
}

// parseFingerprint accepts 64 hex digits, with colons if openssl printed them.
func parseFingerprint(w string, _ any) (any, error) {
	sum := strings.ToUpper(strings.ReplaceAll(w, ":", ""))
	if len(sum) != 64 || strings.Trim(sum, "0123456789ABCDEF") != "" {
		return nil, fmt.Errorf("%q is not the SHA-256 of a certificate: it must have 64 hex digits", w)
	}
	return sum, nil
}

// parsePin accepts the same for a public key, and keeps it as sha256sum prints it.
func parsePin(w string, _ any) (any, error) {
	sum, err := parseFingerprint(w, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is not the SHA-256 of a public key: it must have 64 hex digits", w)
	}
	return strings.ToLower(sum.(string)), nil
}

// parseMember accepts the name of a box of a fleet.
func parseMember(w string, _ any) (any, error) { return w, fleet.CheckName(w) }

func parseValue(w string, _ any) (any, error) {
	if w == "" {
		return nil, errors.New("it cannot be empty")
	}
	return w, nil
}

// maxName limits the characters of a name: more than people type, but few enough for a line of a table.
const maxName = 128

func parseName(w string, _ any) (any, error) {
	if n := utf8.RuneCountInString(w); n > maxName {
		return nil, fmt.Errorf("a name has at most %d characters, this one has %d", maxName, n)
	}
	return parseValue(w, nil)
}

// parseHost accepts a host name of letters, digits, dots, hyphens and underscores, or an IPv4 address.
func parseHost(w string, _ any) (any, error) {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r))
	}
	if w == "" || len(w) > 253 || strings.IndexFunc(w, bad) >= 0 || w[0] == '.' || w[0] == '-' || strings.Contains(w, "..") {
		return nil, fmt.Errorf("%q is not a host name or address%s", w, bareHost(w))
	}
	if dot := strings.LastIndexByte(strings.TrimSuffix(w, "."), '.'); dot >= 0 && strings.Trim(w[dot:], "0123456789.") == "" {
		if _, err := netip.ParseAddr(w); err != nil { // no name ends in a number (RFC 1123 2.1)
			return nil, fmt.Errorf("%q is not an address: an address has four numbers up to 255", w)
		}
	}
	return w, nil
}

// bareHost says what to write in place of a URL, or of a host with a port behind a colon: lines have the port as a word of its own.
func bareHost(w string) string {
	_, rest, isURL := strings.Cut(w, "://")
	if !isURL {
		rest = w
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(rest, ":")
	if host == w {
		return ""
	}
	if _, err := parseHost(host, nil); err != nil {
		return ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); hasPort && err != nil {
		return ""
	}
	text := ": write the host alone, " + host
	if hasPort {
		text += "; a port, " + port + ", is a word of its own where the line takes one"
	}
	return text
}

func parseDigits(w string, _ any) (any, error) {
	if w == "" || len(w) > 32 || strings.Trim(w, "0123456789") != "" {
		return nil, fmt.Errorf("%q must be digits", w)
	}
	return w, nil
}

// parseCountry accepts a country code of ITU-T E.164, also with a leading + or 00.
func parseCountry(w string, _ any) (any, error) {
	code := strings.TrimPrefix(strings.TrimPrefix(w, "+"), "00")
	if code == "" || len(code) > 3 || strings.Trim(code, "0123456789") != "" || code[0] == '0' {
		return nil, fmt.Errorf("%q is not a country code: it has one to three digits, such as 49", w)
	}
	return code, nil
}

func parseZone(w string, _ any) (any, error) {
	if _, err := config.Zone(w); err != nil {
		return nil, err
	}
	return w, nil
}

func parseEd25519(w string, _ any) (any, error) {
	if b, err := base64.RawURLEncoding.Strict().DecodeString(w); err != nil || len(b) != 32 {
		return nil, errors.New("the key must be an Ed25519 public key in base64, 43 characters")
	}
	return w, nil
}

// parseSSHKey accepts the second word of a line in authorized_keys: the base64 of a key, which begins with its type (RFC 4253, 6.6).
func parseSSHKey(w string, _ any) (any, error) {
	b, err := base64.StdEncoding.DecodeString(w)
	if err == nil && len(b) > 4 {
		if n := binary.BigEndian.Uint32(b); n > 0 && n < 64 && int(n)+4 < len(b) && sshKeyTypes[string(b[4:4+n])] {
			return w, nil
		}
	}
	return nil, errors.New("this is not an SSH public key: it is the second word of a line in id_ed25519.pub and starts with AAAA")
}

var sshKeyTypes = map[string]bool{
	"ssh-ed25519": true, "ecdsa-sha2-nistp256": true, "ecdsa-sha2-nistp384": true, "ecdsa-sha2-nistp521": true, "ssh-rsa": true,
}

// parseHash accepts a stored password: a bcrypt hash, or an empty text for an account without a password.
func parseHash(w string, _ any) (any, error) {
	if w != "" && !isHash(w) {
		return nil, errors.New("this is not a stored password: leave out `encrypted` to set a new one")
	}
	return config.Secret(w), nil
}

// parseTokenHash accepts a stored token.
func parseTokenHash(w string, _ any) (any, error) {
	if !config.IsTokenHash(w) {
		return nil, errors.New("this is not a stored token: leave out `encrypted` to set a new one")
	}
	return config.Secret(w), nil
}

// parseToken accepts a new token.
func parseToken(w string, _ any) (any, error) {
	different := map[rune]bool{}
	for _, c := range w {
		different[c] = true
	}
	const good = ": `openssl rand -base64 24` prints a good one"
	switch {
	case strings.ContainsFunc(w, func(c rune) bool { return c <= ' ' || c > '~' }):
		return nil, errors.New("a token has letters, digits and signs of ASCII only, for it travels in a header of HTTP" + good)
	case len(w) < config.TokenLength:
		return nil, fmt.Errorf("a token has at least %d characters%s", config.TokenLength, good)
	case len(different) < config.TokenVariety:
		return nil, fmt.Errorf("a token has at least %d different characters%s", config.TokenVariety, good)
	}
	return config.Secret(w), nil
}

// HashToken replaces the clear text of a new token by its hash.
func HashToken(_, elem any) error {
	if t := elem.(*config.WebToken); !config.IsTokenHash(string(t.Token)) {
		t.Token = config.TokenHash(string(t.Token))
	}
	return nil
}

func isHash(w string) bool {
	_, err := bcrypt.Cost([]byte(w))
	return err == nil && len(w) == 60
}

// HashPassword replaces the clear-text password of an account by its hash.
func HashPassword(_, elem any) error {
	a := elem.(*config.Account)
	if a.Password == "" || isHash(string(a.Password)) {
		return nil
	}
	h, err := bcrypt.GenerateFromPassword([]byte(a.Password), hashCost)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	a.Password = config.Secret(h)
	return nil
}
