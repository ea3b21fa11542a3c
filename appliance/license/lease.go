package license

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/config"
)

// A lease is 130 bytes as 174 characters of base64url: what a hub gives a box for a while (66 bytes) and the hub's Ed25519 signature over a fixed
// prefix and these.
//
//	0     version, 1
//	1     kind, see kinds
//	2-3   count
//	4-9   system serial of the box
//	10-17 issued, seconds since 1970
//	18-25 until, likewise
//	26-33 sequence
//	34-65 public key of the hub
//
// The hub's signature alone gives nothing. License keys that an issuer has signed for this hub have to come with it: see VerifyLease.
const (
	leaseVersion  = 1
	leaseBodyLen  = 34 + ed25519.PublicKeySize
	leaseLen      = leaseBodyLen + ed25519.SignatureSize
	LeaseChars    = 174 // length of a lease
	leasePrefix   = "viaduct lease 1\x00"
	MaxLease      = 7 * 24 * time.Hour // longest time of a lease: a box that was revoked has it to its end
	MaxPoolKeys   = 256                // license keys of one kind in a pool; each costs the box the check of a signature
	latestSeconds = 1 << 40
)

// Lease is what a hub gives a box for a while out of its pool.
type Lease struct {
	Kind     Kind   // sip-sessions or srtp-channels
	Count    int    // 1 to 65535
	Serial   string // serial number of the box; twelve hex digits when it was read from a statement
	Issued   time.Time
	Until    time.Time // within MaxLease of Issued
	Sequence uint64    // of the request that it answers
	Hub      string    // HubID of the hub that gave it; SignLease does not look at it
}

// SignLease makes the statement of a lease. It is for hubs; times count in seconds.
func SignLease(hub ed25519.PrivateKey, l Lease) (string, error) {
	k, ok := kindOf(func(k kind) bool { return k.name == l.Kind })
	switch {
	case !ok || !k.counted:
		return "", fmt.Errorf("there are no pools of %q", l.Kind)
	case l.Count < 1 || l.Count > 65535:
		return "", fmt.Errorf("count %d is not in 1 to 65535", l.Count)
	case systemID(l.Serial) == [6]byte{} || l.Serial == "":
		return "", errors.New("a lease is for one box, and none is named")
	}
	if err := leaseTime(l.Issued.Unix(), l.Until.Unix()); err != nil {
		return "", err
	}
	b := make([]byte, 0, leaseLen)
	b = append(b, leaseVersion, k.number)
	b = binary.BigEndian.AppendUint16(b, uint16(l.Count))
	box := systemID(l.Serial)
	b = append(b, box[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Issued.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(l.Until.Unix()))
	b = binary.BigEndian.AppendUint64(b, l.Sequence)
	b = append(b, hub.Public().(ed25519.PublicKey)...)
	b = append(b, ed25519.Sign(hub, append([]byte(leasePrefix), b...))...)
	return encoding.EncodeToString(b), nil
}

// leaseTime says why no lease is issued and ends at these times.
func leaseTime(issued, until int64) error {
	switch {
	case issued <= 0 || issued > latestSeconds || until > latestSeconds:
		return errors.New("the lease has no sensible time")
	case until <= issued:
		return errors.New("the lease ends before it begins")
	case until-issued > int64(MaxLease/time.Second):
		return fmt.Errorf("the lease is longer than %.0f days", MaxLease.Hours()/24)
	}
	return nil
}

// VerifyLease reads a lease and checks that it holds for the box of this serial: the hub has signed it, and the keys of the hub's pool that are good
// now give at least as much (see PoolTotal). Whether it has ended is not looked at, as it holds longer while the hub is away. Errors are sentences.
func VerifyLease(text string, keys []string, serial string, now time.Time, authorities []*config.LicenseAuthority) (Lease, error) {
	l, err := parseLease(text)
	if err != nil {
		return Lease{}, err
	}
	if systemID(l.Serial) != systemID(serial) {
		return Lease{}, fmt.Errorf("the lease is for system %s, and this is system %s", l.Serial, serial)
	}
	have, why := pool(keys, l.Kind, l.Hub, now, issuers(authorities))
	switch {
	case have >= l.Count:
		return l, nil
	case why != nil:
		return Lease{}, fmt.Errorf("the lease has %d %s, and the license keys of hub %s that are good here allow %d: %w", l.Count, l.Kind, l.Hub, have, why)
	}
	return Lease{}, fmt.Errorf("the lease has %d %s, and the license keys of hub %s allow %d", l.Count, l.Kind, l.Hub, have)
}

func parseLease(text string) (l Lease, err error) {
	text = strings.TrimSpace(text)
	if len(text) != LeaseChars {
		return l, fmt.Errorf("the lease has %d characters instead of %d", len(text), LeaseChars)
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return l, errors.New("the lease is damaged: a character cannot be part of one")
	}
	if b[0] != leaseVersion {
		return l, fmt.Errorf("the lease is of version %d, this firmware knows version %d only", b[0], leaseVersion)
	}
	hub := ed25519.PublicKey(b[34:leaseBodyLen])
	if !ed25519.Verify(hub, append([]byte(leasePrefix), b[:leaseBodyLen]...), b[leaseBodyLen:]) {
		return l, errors.New("the lease is damaged: the signature of its hub does not fit")
	}
	k, ok := kindOf(func(k kind) bool { return k.number == b[1] })
	if !ok || !k.counted {
		return l, fmt.Errorf("the lease is of a kind (%d) of which this firmware knows no pool", b[1])
	}
	issued, until := int64(binary.BigEndian.Uint64(b[10:])), int64(binary.BigEndian.Uint64(b[18:]))
	if err := leaseTime(issued, until); err != nil {
		return l, err
	}
	l = Lease{
		Kind: k.name, Count: int(binary.BigEndian.Uint16(b[2:])), Serial: strings.ToUpper(hex.EncodeToString(b[4:10])),
		Issued: time.Unix(issued, 0).UTC(), Until: time.Unix(until, 0).UTC(), Sequence: binary.BigEndian.Uint64(b[26:]), Hub: HubID(hub),
	}
	if l.Count == 0 {
		return Lease{}, errors.New("the lease has a count of 0")
	}
	return l, nil
}

// HubID is what issuers bind the license keys of a hub's pool to, in the place of a system serial: twelve hex digits that stand for the public key
// with which the hub signs leases.
func HubID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return strings.ToUpper(hex.EncodeToString(sum[:6]))
}

// VerifyPoolKey reads a license key for the pool of a hub. Errors are sentences that say why the key is refused.
func VerifyPoolKey(key, hub string, now time.Time, authorities []*config.LicenseAuthority) (License, error) {
	return verifyPoolKey(key, hub, now, issuers(authorities))
}

func verifyPoolKey(key, hub string, now time.Time, trusted []issuer) (License, error) {
	l, err := verify(key, trusted)
	if err != nil {
		return License{}, err
	}
	k, _ := kindOf(func(k kind) bool { return k.name == l.Kind })
	switch {
	case !k.counted:
		return License{}, fmt.Errorf("license %d is for a feature (%s): a pool has sip-sessions and srtp-channels only", l.Serial, l.Kind)
	case l.System == "":
		return License{}, fmt.Errorf("license %d is for any system: the key of a pool is bound to its hub, %s", l.Serial, hub)
	case systemID(l.System) != systemID(hub):
		return License{}, fmt.Errorf("license %d is for system %s, and this is hub %s", l.Serial, l.System, hub)
	case l.Expired(now):
		return License{}, fmt.Errorf("license %d expired on %s", l.Serial, l.Expires.Format(time.DateOnly))
	}
	return l, nil
}

// PoolTotal adds up the license keys of a hub's pool that are good now, for each kind. A license counts once, whatever number of its keys there are.
func PoolTotal(keys []string, hub string, now time.Time, authorities []*config.LicenseAuthority) map[Kind]int {
	trusted, total := issuers(authorities), map[Kind]int{}
	for _, k := range kinds {
		if k.counted {
			total[k.name], _ = pool(keys, k.name, hub, now, trusted)
		}
	}
	return total
}

// pool adds up the keys of one kind, and says why one of the others does not count. Issuers and serials are as unique as in Install; of two keys of
// one license the larger counts.
func pool(keys []string, name Kind, hub string, now time.Time, trusted []issuer) (total int, why error) {
	type id struct {
		issuer [2]byte
		serial uint32
	}
	counts, checked := map[id]int{}, 0
	for _, key := range keys {
		if number, ok := keyKind(key); ok && number != name {
			continue
		}
		if checked++; checked > MaxPoolKeys {
			return total, fmt.Errorf("a pool has at most %d keys of a kind", MaxPoolKeys)
		}
		l, err := verifyPoolKey(key, hub, now, trusted)
		if err != nil {
			if why == nil {
				why = err
			}
			continue
		}
		i := id{l.issuer, l.Serial}
		total += max(0, l.Count-counts[i])
		counts[i] = max(counts[i], l.Count)
	}
	return total, why
}

// keyKind is the kind that a key claims.
func keyKind(key string) (Kind, bool) {
	if key = strings.TrimSpace(key); len(key) != KeyChars {
		return "", false
	}
	b, err := encoding.DecodeString(key)
	if err != nil {
		return "", false
	}
	k, ok := kindOf(func(k kind) bool { return k.number == b[1] })
	return k.name, ok
}
