package license

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/config"
)

// A key is 82 bytes as 110 characters of base64url: what it allows (18 bytes) and an Ed25519 signature over a fixed prefix and these.
//
//	0     version, 1
//	1     kind, see kinds
//	2-3   count
//	4-7   license serial
//	8-13  system serial, zero for any
//	14-15 last day, as days since 1 January 2000, zero for ever
//	16-17 first bytes of the SHA-256 of the issuer's public key: whom to ask, no proof
const (
	version    = 1
	bodyLen    = 18
	keyLen     = bodyLen + ed25519.SignatureSize
	KeyChars   = 110 // length of a key
	signedText = "viaduct license 1\x00"
)

var (
	encoding = base64.RawURLEncoding.Strict()
	epoch    = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Sign makes the key for a license; the fields Key and Issuer are not looked at. It is for issuers: a box never needs it.
func Sign(private ed25519.PrivateKey, l License) (string, error) {
	k, ok := kindOf(func(k kind) bool { return k.name == l.Kind })
	switch {
	case !ok:
		return "", fmt.Errorf("unknown kind %q", l.Kind)
	case k.counted && (l.Count < 1 || l.Count > 65535):
		return "", fmt.Errorf("count %d is not in 1 to 65535", l.Count)
	case !k.counted && l.Count > 1:
		return "", fmt.Errorf("%s is a feature: it has no count", l.Kind)
	}
	b := make([]byte, 0, keyLen)
	b = append(b, version, k.number)
	b = binary.BigEndian.AppendUint16(b, uint16(max(l.Count, 1)))
	b = binary.BigEndian.AppendUint32(b, l.Serial)
	var system [6]byte
	if l.System != "" {
		if system = systemID(l.System); system == [6]byte{} {
			return "", fmt.Errorf("system serial %q means any system", l.System)
		}
	}
	b = append(b, system[:]...)
	days := 0
	if !l.Expires.IsZero() {
		if days = int(l.Expires.UTC().Sub(epoch) / (24 * time.Hour)); days < 1 || days > 65535 {
			return "", fmt.Errorf("expiry date %s cannot be written in a key", l.Expires.Format(time.DateOnly))
		}
	}
	b = binary.BigEndian.AppendUint16(b, uint16(days))
	h := hint(private.Public().(ed25519.PublicKey))
	b = append(b, h[:]...)
	b = append(b, ed25519.Sign(private, append([]byte(signedText), b...))...)
	return encoding.EncodeToString(b), nil
}

// verify reads a key and checks its signature. Every error is a sentence for the administrator who pasted the key.
func verify(key string, issuers []issuer) (License, error) {
	key = strings.TrimSpace(key)
	if i := strings.IndexFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}); i >= 0 {
		return License{}, fmt.Errorf("not a license key: character %d cannot be part of one", i+1)
	}
	if len(key) != KeyChars {
		return License{}, fmt.Errorf("the key has %d characters instead of %d: it is incomplete, or no key for this product", len(key), KeyChars)
	}
	b, err := encoding.DecodeString(key)
	if err != nil {
		return License{}, errDamaged
	}
	if b[0] != version {
		return License{}, fmt.Errorf("the key is of version %d, this firmware knows version %d only", b[0], version)
	}
	l := License{
		Key:    key,
		Count:  int(binary.BigEndian.Uint16(b[2:])),
		Serial: binary.BigEndian.Uint32(b[4:]),
		issuer: [2]byte(b[16:18]),
	}
	if l.Issuer, err = signer(b, l.issuer, issuers); err != nil {
		return License{}, err
	}
	k, ok := kindOf(func(k kind) bool { return k.number == b[1] })
	if !ok {
		return License{}, fmt.Errorf("license %d is of a kind (%d) that this firmware does not know", l.Serial, b[1])
	}
	l.Kind = k.name
	if system := [6]byte(b[8:14]); system != [6]byte{} {
		l.System = strings.ToUpper(hex.EncodeToString(system[:]))
	}
	if days := binary.BigEndian.Uint16(b[14:]); days != 0 {
		l.Expires = epoch.AddDate(0, 0, int(days))
	}
	return l, nil
}

var errDamaged = errors.New("the key is damaged: its signature does not fit, so a character was changed or lost")

// signer returns the name of the issuer who signed.
func signer(b []byte, hint [2]byte, issuers []issuer) (string, error) {
	known := false
	for _, i := range issuers {
		if i.hint == hint {
			known = true
			if ed25519.Verify(i.key, append([]byte(signedText), b[:bodyLen]...), b[bodyLen:]) {
				return i.name, nil
			}
		}
	}
	if known {
		return "", errDamaged
	}
	return "", fmt.Errorf("the issuer of this key (%X) is unknown here: if you trust it, configure it with `license-authority NAME KEY`", hint)
}

// systemID is a system serial as it stands in keys. A serial that is not a MAC address stands as a hash.
func systemID(serial string) (id [6]byte) {
	clean := strings.NewReplacer(":", "", "-", "", " ", "").Replace(strings.ToUpper(serial))
	if b, err := hex.DecodeString(clean); err == nil && len(b) == len(id) {
		return [6]byte(b)
	}
	sum := sha256.Sum256([]byte(clean))
	return [6]byte(sum[:6])
}

// issuer signs license keys.
type issuer struct {
	name string
	key  ed25519.PublicKey
	hint [2]byte
}

func hint(public ed25519.PublicKey) [2]byte {
	sum := sha256.Sum256(public)
	return [2]byte(sum[:2])
}

// ParseIssuer reads an issuer's public key as `license-authority NAME KEY` has it.
func ParseIssuer(key string) (ed25519.PublicKey, error) {
	b, err := encoding.DecodeString(key)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("an issuer's key has %d characters of base64url", encoding.EncodedLen(ed25519.PublicKeySize))
	}
	return b, nil
}

// FormatIssuer writes a public key as ParseIssuer reads it.
func FormatIssuer(public ed25519.PublicKey) string { return encoding.EncodeToString(public) }

// issuers returns the built-in issuers and the configured ones whose keys can be read.
func issuers(authorities []*config.LicenseAuthority) []issuer {
	list := builtInIssuers()
	for _, a := range authorities {
		if public, err := ParseIssuer(a.Key); err == nil {
			list = append(list, issuer{a.Name, public, hint(public)})
		}
	}
	return list
}

// Authority is an issuer that is trusted here, for other things that it signs.
type Authority struct {
	Name string
	Key  ed25519.PublicKey
}

// Authorities returns the built-in issuers and the configured ones whose keys can be read.
func Authorities(configured []*config.LicenseAuthority) (list []Authority) {
	for _, i := range issuers(configured) {
		list = append(list, Authority{i.name, i.key})
	}
	return list
}

// ID names a key without giving it away: whoever has the key could install it elsewhere. It is shorter than a serial number of a box, which
// may stand in the same comment line.
func ID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:5])
}
