package snmp

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"time"
)

// engine is who the box is to SNMP (RFC 3411 3.1.1): an identity, how often it has started, and for how long it has run. A station
// that knows all three can tell a fresh message from a recorded one.
type engine struct {
	id    string // octets
	boots uint32
	since time.Time
}

const (
	// maxBoots is where the counter stays. Nothing is in time then any more (RFC 3414 2.2.2).
	maxBoots = math.MaxInt32
	// window is how far the time of a message may be off, in seconds (RFC 3414 2.2.3).
	window = 150
)

// newEngine is the next start of a saved engine. Without one, or with one that cannot be read, the box gets a new identity: a counter
// that began again under the old one would have stations and the box believe recorded messages.
func newEngine(saved []byte) (e engine, made bool) {
	e.since = time.Now()
	var id []byte
	if _, err := fmt.Sscanf(string(saved), "%x %d\n", &id, &e.boots); err == nil && len(id) == engineLength && e.boots > 0 && e.boots <= maxBoots {
		e.id, e.boots = string(id), min(e.boots+1, maxBoots)
		return e, false
	}
	id = append([]byte{0x80 | enterprise>>24&0x7f, enterprise >> 16 & 0xff, enterprise >> 8 & 0xff, enterprise & 0xff, formOctets}, make([]byte, engineLength-5)...)
	rand.Read(id[5:])
	return engine{id: string(id), boots: 1, since: e.since}, true
}

const (
	engineLength = 17
	formOctets   = 5 // RFC 3411, SnmpEngineID: octets that the administration has assigned
)

func (e engine) save() []byte { return fmt.Appendf(nil, "%x %d\n", e.id, e.boots) }

func (e engine) name() string { return hex.EncodeToString([]byte(e.id)) }

// time is the engine's: seconds since its start.
func (e engine) time() uint32 { return uint32(time.Since(e.since) / time.Second) }

// timely is RFC 3414 3.2 7) a).
func (e engine) timely(boots, at uint32) bool {
	now := int64(e.time())
	return boots == e.boots && boots != maxBoots && int64(at) >= now-window && int64(at) <= now+window
}
