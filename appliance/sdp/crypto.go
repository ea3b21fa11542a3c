package sdp

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"viaduct/appliance/srtp"
)

// NewCrypto makes a line with a fresh random key and the lifetime that Teams expects to read (2^31 packets).
func NewCrypto(suite string, tag int) (Crypto, error) {
	n, ok := srtp.MasterLength(suite)
	if !ok {
		return Crypto{}, fmt.Errorf("crypto suite %q: not known", suite)
	}
	c := Crypto{Tag: tag, Suite: suite, Key: make([]byte, n), Lifetime: 1 << 31}
	rand.Read(c.Key) // never fails since Go 1.24
	return c, nil
}

// parseCrypto reads `TAG SUITE inline:KEY[|LIFETIME][|MKI:LENGTH] [parameters]`. ok is false for a line that we cannot use:
// an unknown suite, several keys, or parameters that change what is on the wire. The other lines of the offer stay usable.
func parseCrypto(value string) (c Crypto, ok bool) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return c, false
	}
	tag, err := strconv.Atoi(f[0])
	if err != nil || tag < 0 || tag > 999_999_999 {
		return c, false
	}
	// Suites are written in capitals, but not by everybody; RFC 4568 section 9.2 makes them case-sensitive only in grammar.
	c.Tag, c.Suite = tag, strings.ToUpper(f[1])
	inline, found := cutFold(f[2], "inline:")
	if !found || strings.Contains(inline, ";") || !parametersAreHarmless(f[3:]) {
		return c, false
	}
	return c, c.parseKey(inline)
}

func (c *Crypto) parseKey(inline string) bool {
	parts := strings.Split(inline, "|")
	key, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil { // some leave the padding out: 30 octets need none, the GCM lengths do
		if key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "=")); err != nil {
			return false
		}
	}
	if n, known := srtp.MasterLength(c.Suite); !known || len(key) != n {
		return false
	}
	c.Key = key
	if len(parts) > 3 {
		return false
	}
	for _, p := range parts[1:] {
		if id, length, isMKI := strings.Cut(p, ":"); isMKI {
			if !c.parseMKI(id, length) {
				return false
			}
		} else if !c.parseLifetime(p) {
			return false
		}
	}
	return true
}

func (c *Crypto) parseLifetime(p string) bool {
	if exponent, power := strings.CutPrefix(p, "2^"); power {
		n, err := strconv.ParseUint(exponent, 10, 8)
		if err != nil || n > 48 {
			return false
		}
		c.Lifetime = 1 << n
		return true
	}
	n, err := strconv.ParseUint(p, 10, 63)
	c.Lifetime = n
	return err == nil && n > 0
}

func (c *Crypto) parseMKI(id, length string) bool {
	n, err := strconv.Atoi(length)
	if err != nil || n < 1 || n > 128 || len(id) > 320 || strings.Trim(id, "0123456789") != "" { // 128 octets have up to 309 digits
		return false
	}
	value, ok := new(big.Int).SetString(id, 10)
	if !ok || value.Sign() < 0 || value.BitLen() > 8*n {
		return false
	}
	c.MKI = value.FillBytes(make([]byte, n))
	return true
}

// parametersAreHarmless refuses session parameters that change the packets (KDR, UNENCRYPTED_…, UNAUTHENTICATED_…, FEC_…) and
// unknown ones, unless they begin with "-", which marks them as optional (RFC 4568 section 6.3.7). WSH is only a hint.
func parametersAreHarmless(list []string) bool {
	for _, p := range list {
		name, value, _ := strings.Cut(strings.ToUpper(p), "=")
		if !strings.HasPrefix(name, "-") && name != "WSH" && !(name == "KDR" && value == "0") {
			return false
		}
	}
	return true
}

// line is the value of an a=crypto line. It holds the key: it is not for logs.
func (c Crypto) line() string {
	s := fmt.Sprintf("%d %s inline:%s", c.Tag, c.Suite, base64.StdEncoding.EncodeToString(c.Key))
	if c.Lifetime != 0 {
		if c.Lifetime&(c.Lifetime-1) == 0 {
			s += fmt.Sprintf("|2^%d", bits.TrailingZeros64(c.Lifetime))
		} else {
			s += fmt.Sprintf("|%d", c.Lifetime)
		}
	}
	if len(c.MKI) > 0 {
		s += fmt.Sprintf("|%d:%d", new(big.Int).SetBytes(c.MKI), len(c.MKI))
	}
	return s
}

// String keeps the key out of logs, whoever prints a description.
func (c Crypto) String() string { return fmt.Sprintf("%d %s", c.Tag, c.Suite) }

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
