package siptransport

import "fmt"

// Transport is how messages travel. The zero value is none.
type Transport uint8

const (
	UDP Transport = iota + 1
	TCP
	TLS
)

// Transports are all there are. Requests go by the first that the gateway has, unless another is forced.
var Transports = []Transport{UDP, TCP, TLS}

// kinds says what each transport is; TLS stands for its whole stack.
var kinds = [...]struct {
	word           string // in the configuration, in URIs and in small letters everywhere
	via            string // in Via (RFC 3261 20.42)
	service, proto string // in names of SRV records (RFC 3263 4.2)
	port           uint16 // where none is named (RFC 3261 19.1.2)
	reliable       bool   // a stream: nothing is lost, and nothing is sent twice (17)
	secure         bool
}{
	{},
	UDP: {word: "udp", via: "UDP", service: "sip", proto: "udp", port: 5060},
	TCP: {word: "tcp", via: "TCP", service: "sip", proto: "tcp", port: 5060, reliable: true},
	TLS: {word: "tls", via: "TLS", service: "sips", proto: "tcp", port: 5061, reliable: true, secure: true},
}

// ParseTransport reads a word of the configuration or of a URI, in small letters; false: it names none.
func ParseTransport(word string) (Transport, bool) {
	for _, t := range Transports {
		if kinds[t].word == word {
			return t, true
		}
	}
	return 0, false
}

func (t Transport) String() string { return kinds[t].word } // "" for none

// Reliable reports whether it is a stream: messages need their length, and none is repeated.
func (t Transport) Reliable() bool { return kinds[t].reliable }

// Secure reports whether nobody on the way can read or forge.
func (t Transport) Secure() bool { return kinds[t].secure }

// DefaultPort is where a peer listens that names no port.
func (t Transport) DefaultPort() uint16 { return kinds[t].port }

// param is the URI parameter that names it; UDP is the default and needs none.
func (t Transport) param() string {
	if t == UDP {
		return ""
	}
	return ";transport=" + t.String()
}

// MarshalText and UnmarshalText write a transport by its word.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t *Transport) UnmarshalText(word []byte) error {
	if *t = 0; len(word) == 0 {
		return nil
	}
	var ok bool
	if *t, ok = ParseTransport(string(word)); !ok {
		return fmt.Errorf("no transport: %q", word)
	}
	return nil
}
