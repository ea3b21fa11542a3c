package srtp

import pion "github.com/pion/srtp/v2"

// Crypto suites of RFC 4568 and RFC 7714 by their names in a=crypto.
const (
	AES80  = "AES_CM_128_HMAC_SHA1_80"
	AES32  = "AES_CM_128_HMAC_SHA1_32"
	GCM128 = "AEAD_AES_128_GCM"
	GCM256 = "AEAD_AES_256_GCM"
)

// Suites are all that are supported, in the order in which we like them: what Teams and every other peer has comes first.
var Suites = []string{AES80, GCM256, GCM128, AES32}

// suite is what a crypto suite consists of, lengths in octets.
type suite struct {
	key, salt int
	tag       int // of SRTP
	gcm       bool
	profile   pion.ProtectionProfile
}

var suites = map[string]suite{
	AES80:  {key: 16, salt: 14, tag: 10, profile: pion.ProtectionProfileAes128CmHmacSha1_80},
	AES32:  {key: 16, salt: 14, tag: 4, profile: pion.ProtectionProfileAes128CmHmacSha1_32},
	GCM128: {key: 16, salt: 12, tag: 16, gcm: true, profile: pion.ProtectionProfileAeadAes128Gcm},
	GCM256: {key: 32, salt: 12, tag: 16, gcm: true, profile: pion.ProtectionProfileAeadAes256Gcm},
}

// MasterLength is how many octets the key and salt of a suite have together; ok is false for a suite that is not supported.
func MasterLength(suite string) (octets int, ok bool) {
	s, ok := suites[suite]
	return s.key + s.salt, ok
}

// Key is one direction's SRTP key. Master is key and salt as in a=crypto. MKI is the identifier that packets carry, or empty.
type Key struct {
	Suite    string `json:"suite"`
	Master   []byte `json:"master"`
	MKI      []byte `json:"mki,omitempty"`
	Lifetime uint64 `json:"lifetime,omitempty"` // packets after which the key should be replaced, 0: never
}
