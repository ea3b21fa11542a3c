package status

import "time"

// KeyKind is the kind of a thing in the key store, as names of the configuration have it: pki:certificate/NAME.
type KeyKind string

const (
	KeyCertificate KeyKind = "certificate"
	KeyPrivate     KeyKind = "private-key"
	KeyTrusted     KeyKind = "trusted" // a built-in root
)

// Key is one thing in the key store.
type Key struct {
	Kind      KeyKind   `json:"kind"`
	Name      string    `json:"name"`
	KeyType   string    `json:"key_type,omitempty"` // "RSA 2048", "ECDSA P-256"
	Subject   string    `json:"subject,omitempty"`  // certificates only, as everything below
	Names     []string  `json:"names,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Announced time.Time `json:"announced,omitzero"` // since when its end is announced as near
	Chain     int       `json:"chain,omitempty"`    // certificates in this item

	Links    []ChainLink  `json:"links,omitempty"` // those certificates, from the first one to its issuers
	Root     string       `json:"root,omitempty"`  // where the chain ends, if the box knows that root
	DaysLeft *int         `json:"days_left,omitempty"`
	UsedBy   []string     `json:"used_by,omitempty"` // blocks of the configuration that name it
	Problems []KeyProblem `json:"problems,omitempty"`
}

// KeyProblem is what speaks against a certificate or a key.
type KeyProblem struct {
	Severity string `json:"severity"` // "warning" or "note"
	Text     string `json:"text"`
	Cure     string `json:"cure,omitempty"`  // a line that mends it
	Where    string `json:"where,omitempty"` // the block that uses it so; "": it is so wherever it is used
}

// TLSProfile is which certificates and key of the store are shown together, and to whom.
type TLSProfile struct {
	Name       string       `json:"name"`
	Teams      bool         `json:"teams"`   // it faces Microsoft Teams
	UsedBy     []string     `json:"used_by"` // blocks of the configuration
	PrivateKey string       `json:"private_key,omitempty"`
	Own        []string     `json:"own"`     // the certificate that it shows, then the rest of its chain
	Trusted    []string     `json:"trusted"` // none: the built-in roots of Microsoft and DigiCert
	Missing    []string     `json:"missing"` // of these, what is not in the store
	Names      []string     `json:"names"`   // that its peers know the box by, and that its certificate must be for
	Problems   []KeyProblem `json:"problems"`
}

// UnknownIssuer is the certificate at which the chain of a peer ended, and which is no trust anchor.
type UnknownIssuer struct {
	SHA256   string    `json:"sha256"` // hex
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Root     bool      `json:"root"` // its own issuer; else an intermediate, or the peer's own certificate
	NotAfter time.Time `json:"not_after"`
	Warning  string    `json:"warning,omitempty"` // for an administrator who is about to trust it
	Leaf     string    `json:"leaf,omitempty"`    // the peer's certificate: names and dates
	Gateway  string    `json:"gateway"`
	Peer     string    `json:"peer"`
	Last     time.Time `json:"last"` // time that the peer showed it

	Chain []ChainLink `json:"chain,omitempty"` // that the peer sent, its own certificate first
}

// ChainLink is one certificate of a peer's chain.
type ChainLink struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	KeyType   string    `json:"key_type"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"`
}

// PeerChains are the chains of certificates that the peers have shown, compared by week.
type PeerChains struct {
	Next  time.Time     `json:"next,omitzero"` // comparison
	Peers []PeerChanges `json:"peers"`
}

// PeerChanges are the chains of one peer.
type PeerChanges struct {
	Peer    string       `json:"peer"`
	Now     []ShownChain `json:"now"`    // this week
	Before  []ShownChain `json:"before"` // in the last week in which it showed any
	Change  string       `json:"change,omitempty"`
	Changed time.Time    `json:"changed,omitzero"` // the last comparison that found a change
	New     []ShownChain `json:"new,omitempty"`    // what was new there, while Change says so
}

// ShownChain is a chain that a peer has shown, leaf first.
type ShownChain struct {
	Links   []ChainLink `json:"links"`
	Root    string      `json:"root"`              // where it ends, as far as that is known
	Refused string      `json:"refused,omitempty"` // why
	Issuer  string      `json:"issuer,omitempty"`  // SHA-256 of the issuer to trust, where that is why
	First   time.Time   `json:"first"`
	Last    time.Time   `json:"last"`
}

// InternalCA is the certificate authority of the box's own, for services of the LAN. Without a subject there is none.
type InternalCA struct {
	Subject   string                `json:"subject,omitempty"`
	KeyType   string                `json:"key_type,omitempty"`
	SHA256    string                `json:"sha256,omitempty"` // of the root, hex
	NotBefore time.Time             `json:"not_before,omitzero"`
	NotAfter  time.Time             `json:"not_after,omitzero"`
	PEM       string                `json:"pem,omitempty"`     // the root
	Problem   string                `json:"problem,omitempty"` // why it cannot issue certificates
	Issued    []InternalCertificate `json:"issued"`
}

// InternalCertificate is a certificate from an internal CA.
type InternalCertificate struct {
	Name     string    `json:"name"`          // in the key store
	Key      string    `json:"key,omitempty"` // the name of its key there
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	Renewal  time.Time `json:"renewal,omitzero"`  // zero: a new one would end no later, or there is a problem
	Problem  string    `json:"problem,omitempty"` // why it will not be renewed
}

// Calendar is what is announced of the outer world, by date.
type Calendar struct {
	Date    time.Time         `json:"date"`              // of the edition
	Signer  string            `json:"signer,omitempty"`  // of an imported one; without, it is built in
	Refused string            `json:"refused,omitempty"` // why an imported one is not in force
	Mine    []CalendarEntry   `json:"mine"`              // what concerns this box, the ends of its certificates included
	Others  []CalendarEntry   `json:"others"`
	Sources map[string]string `json:"sources"` // by the short names of entries
}

// CalendarEntry is one event.
type CalendarEntry struct {
	Date    time.Time `json:"date"`
	Kind    string    `json:"kind"`
	Text    string    `json:"text"`
	About   string    `json:"about,omitempty"` // what of this box it concerns
	Sources []string  `json:"sources,omitempty"`
}

// Licenses are the pools of licenses and the keys that fill them.
type Licenses struct {
	Serial   string       `json:"serial"`
	Pools    []Pool       `json:"pools"`
	Peaks    []Peak       `json:"peaks"`
	Features []Feature    `json:"features"`
	Keys     []LicenseKey `json:"keys"`
}

// Names of the pools of licenses.
const (
	SessionPool = "sip-sessions"  // a call takes one
	ChannelPool = "srtp-channels" // a leg with SRTP takes one
)

// PhonesFeature is the feature without which no phone registers.
const PhonesFeature = "sip-registrar"

// Pool is one counted pool: BuiltIn + Installed + Leased = Total = Alloc + Free. Leased counts keys with an expiry date. Free is never
// negative: calls that are up when a license expires go on.
type Pool struct {
	Name      string `json:"name"`
	BuiltIn   int    `json:"built_in"`
	Installed int    `json:"installed"`
	Leased    int    `json:"leased"`
	Total     int    `json:"total"`
	Alloc     int    `json:"alloc"`
	Free      int    `json:"free"`
}

// Peak is how far a pool was used since the start.
type Peak struct {
	Name    string `json:"name"`
	Most    int    `json:"most"`    // in use at once
	Refused int    `json:"refused"` // requests that found the pool too small
}

// Feature is a license that is there or not.
type Feature struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
}

// LicenseKey is one installed key. The key itself never leaves the box as JSON: it could be installed elsewhere. Its ID names it.
type LicenseKey struct {
	Key     string    `json:"-"`
	ID      string    `json:"id"`
	About   string    `json:"about"`
	InForce bool      `json:"in_force"`
	Kind    string    `json:"kind,omitempty"` // of one in force, as everything below
	Count   int       `json:"count,omitempty"`
	Serial  uint32    `json:"serial,omitempty"`
	System  string    `json:"system,omitempty"` // the only box that it is for; "": any
	Issuer  string    `json:"issuer,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // its last day
}
