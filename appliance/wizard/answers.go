// Package wizard turns what somebody answers during the set-up of a box into its configuration, the lines for the tenant of Microsoft 365,
// and the records and rules that others have to make.
//
// The package owns the questions (Answers), what is wrong with an answer (Check), the pasted table of users (Paste), the text of the
// configuration (Configuration), and the way back from a running configuration to the answers (Read, Change). It does not own the language:
// whether a text is accepted is decided by package lang alone, and a property test holds the two together. It does not own the sentences
// that people read either: a problem is a word with arguments, which the page has in its languages.
//
// Everything here is a plain value: there is no goroutine, socket, file or clock.
package wizard

// Answers are what the set-up asks, as somebody typed it: nothing is lost because it was wrong. Fields name themselves by their JSON path,
// such as network.lan.
type Answers struct {
	Box         Box         `json:"box"`
	Network     Network     `json:"network"`
	PBX         PBX         `json:"pbx"`
	Numbers     Numbers     `json:"numbers"`
	Teams       Teams       `json:"teams"`
	Certificate Certificate `json:"certificate"`
	Users       []User      `json:"users,omitempty"`
}

// Box is how the box is called and where it stands.
type Box struct {
	Name string `json:"name"` // in its own network
	FQDN string `json:"fqdn"` // for the tenant: in DNS, in the certificate, in Contact
	Zone string `json:"zone"`
}

// Network is the addresses of the two ports and the servers around.
type Network struct {
	LAN     string `json:"lan"`  // port ethernet 0 0, with its length or mask
	DHCP    bool   `json:"dhcp"` // port ethernet 0 1 gets its address by itself
	WAN     string `json:"wan"`
	Gateway string `json:"gateway"`
	Public  string `json:"public"` // of the NAT in front
	DNS     string `json:"dns"`    // one or more
	NTP     string `json:"ntp"`    // one to four
}

// Transports of the PBX.
const (
	UDP = "udp"
	TCP = "tcp"
	TLS = "tls"
)

// Transports are the values of PBX.Transport.
var Transports = []string{UDP, TCP, TLS}

// PBX is the STARFACE, or another one with accounts to register.
type PBX struct {
	Name      string `json:"name"`    // in the name server of the site; may be empty
	Address   string `json:"address"` // IPv4
	Port      string `json:"port"`    // empty: the usual one
	Transport string `json:"transport"`
	Router    string `json:"router"` // on the LAN, towards a PBX in another network
}

// Forms in which the PBX wants the numbers that are called.
const (
	Plus     = "plus"     // +49 7123 222
	Zeros    = "zeros"    // 0049 7123 222, with the international prefix
	National = "national" // 07123 222 within the country
)

// Forms are the values of Numbers.Called.
var Forms = []string{Plus, Zeros, National}

// Numbers is how calls are numbered.
type Numbers struct {
	Country       string `json:"country"`
	National      string `json:"national"`
	International string `json:"international"`
	Emergency     string `json:"emergency"` // several
	Called        string `json:"called"`
	Extension     string `json:"extension"` // digits of the PBX's extensions that users of Teams dial; empty or 0: none
	Main          string `json:"main"`      // where calls to accounts without a number go
}

// Clouds of Microsoft.
const (
	World   = "world"
	GCCHigh = "gcc-high"
	DoD     = "dod"
)

// Clouds are the values of Teams.Cloud.
var Clouds = []string{World, GCCHigh, DoD}

// Teams is Microsoft's side.
type Teams struct {
	Cloud    string `json:"cloud"`
	Port     string `json:"port"`     // where the box listens
	Sessions string `json:"sessions"` // calls at the same time, for the tenant
}

// Where the certificate comes from.
const (
	Imported = "import"
	ACME     = "acme"
)

// Challenges are the values of Certificate.Challenge.
var Challenges = []string{"dns-persist", "http", "tls-alpn"}

// Certificate is what the box shows to Microsoft.
type Certificate struct {
	From      string `json:"from"`
	Challenge string `json:"challenge"` // of ACME
	Contact   string `json:"contact"`   // of ACME; may be empty
	Name      string `json:"name"`      // in the key store; of its key too, unless Key says otherwise
	Key       string `json:"key"`
	// Trusted are names of further certificates that Microsoft's may be signed by. They are not asked for: a running configuration has them.
	Trusted []string `json:"trusted,omitempty"`
}

// User is a user of Teams with an account of the PBX.
type User struct {
	Number   string `json:"number"` // +E.164
	Account  string `json:"account"`
	Password string `json:"password"`
	SignIn   string `json:"sign-in,omitempty"` // in Microsoft 365; may be empty
}

// Defaults are answers that fit a new box in Germany; a page puts what it knows in their place.
func Defaults() Answers {
	return Answers{
		Box:         Box{Name: "sbc01", Zone: "Europe/Berlin"},
		Network:     Network{LAN: "192.168.1.1/24", NTP: "pool.ntp.org"},
		PBX:         PBX{Transport: UDP},
		Numbers:     Numbers{Country: "49", National: "0", International: "00", Emergency: "110 112", Called: Plus},
		Teams:       Teams{Cloud: World, Port: "5062", Sessions: "24"},
		Certificate: Certificate{From: Imported, Challenge: "dns-persist", Name: "teams"},
	}
}

// Problem is an answer that does not fit.
type Problem struct {
	Field string   // such as network.lan; users/3 is a line of the table
	Fault string   // a word of Faults, for the sentence in a language
	Args  []string // what the sentence names
}

// Faults are all words that a Problem may have, with the number of their arguments.
var Faults = map[string]int{
	"missing": 0, "not-text": 0, "too-long": 1,
	"not-name": 1, "not-fqdn": 1, "fqdn-long": 1, "fqdn-onmicrosoft": 0, "zone": 1,
	"not-network": 1, "not-host-in-network": 1, "not-address": 1, "not-usable": 1, "overlap": 2, "outside": 2, "own-address": 1, "teams": 1, "public-needed": 1, "public-private": 1,
	"too-many": 2, "not-choice": 1, "not-port": 1, "port-government": 0, "router-needed": 2,
	"not-country": 1, "not-digits": 1, "extension": 0, "sessions": 0, "same-account": 2, "same-number": 2,
	"not-mail": 1, "no-users": 0, "not-store-name": 1,
	"columns": 1, "columns-unclear": 0, "number-needs-country": 1, "number-short": 1, "number-long": 1, "number-rounded": 1, "number-letters": 1,
	"no-number": 0, "no-account": 0, "no-password": 0, "account-sign": 2, "account-long": 1, "password-sign": 0, "password-long": 1, "password-sealed": 0, "sign-in": 1,
	"too-many-users": 1, "table-long": 0,
}
