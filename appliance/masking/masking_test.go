package masking

import (
	"strings"
	"testing"
)

// With a digest and what it was made from, a password is guessed by whoever has read the log; with a key, a call is heard.
func TestSecretsOfMessagesAreMasked(t *testing.T) {
	for message, want := range map[string]string{
		`Authorization: Digest username="user.01", realm="asterisk", nonce="SECRET", uri="sip:pbx", response="SECRET", cnonce="SECRET", qop=auth, nc=00000001`: `Authorization: Digest username="user.01", realm="asterisk", nonce="***", uri="sip:pbx", response="***", cnonce="***", qop=auth, nc=00000001`,
		"PROXY-AUTHORIZATION : digest response=SECRET,realm=x":                                   "PROXY-AUTHORIZATION : digest response=***,realm=x",
		"Authorization: Digest realm=\"a\",\r\n response=\"SEC\\\"RET\",\r\n\tcnonce=\"SECRET\"": "Authorization: Digest realm=\"a\",\r\n response=\"***\",\r\n\tcnonce=\"***\"",
		"Authorization: Basic U0VDUkVU":                                                          "Authorization: Basic ***",
		"Authorization: SECRETU0VDUkVU==":                                                        "Authorization: ***",
		"Authorization: SECRET \r\nTo: a":                                                        "Authorization: ***\r\nTo: a",
		"Authorization: Basic\r\n SECRET\r\nTo: a":                                               "Authorization: Basic\r\n ***\r\nTo: a",
		"Authorization: Bearer SECRET.SECRET":                                                    "Authorization: Bearer ***",
		`Authentication-Info: rspauth="SECRET", nextnonce="SECRET"`:                              `Authentication-Info: rspauth="***", nextnonce="***"`,
		`WWW-Authenticate: Digest realm="asterisk", nonce="SECRET", stale=true`:                  `WWW-Authenticate: Digest realm="asterisk", nonce="***", stale=true`,
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^31|1:4":                              "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^31|1:4",
		"a=crypto:1 X INLINE:SECRET;inline:SECRET":                                               "a=crypto:1 X INLINE:***",
		"k=clear:SECRET":                                                       "k=clear:***",
		"a=key-mgmt:mikey SECRET":                                              "a=key-mgmt:***",
		"a=ice-pwd:SECRET":                                                     "a=ice-pwd:***",
		"Contact: <sip:user:SECRET@10.0.0.1:5060>":                             "Contact: <sip:user:***@10.0.0.1:5060>",
		"INVITE sip:user;day=monday:SECRET@10.0.0.1 SIP/2.0":                   "INVITE sip:user;day=monday:***@10.0.0.1 SIP/2.0",
		"a=crypto:1 X inline: SECRET|2^31":                                     "a=crypto:1 X inline: ***|2^31",
		"Contact: <sip:user@10.0.0.1:5060>, <sip:10.0.0.2:5061;transport=tls>": "Contact: <sip:user@10.0.0.1:5060>, <sip:10.0.0.2:5061;transport=tls>",
		"INVITE sip:+49@10.0.0.1:5060 SIP/2.0\r\nFrom: <sip:a@b>;tag=nonce=1":  "INVITE sip:+49@10.0.0.1:5060 SIP/2.0\r\nFrom: <sip:a@b>;tag=nonce=1",
	} {
		if got := Message(message); got != want || strings.Contains(got, "SECRET") {
			t.Errorf("%s\nbecomes %s\nwant    %s", message, got, want)
		}
	}
}

// A message whose Content-Length no longer fits its body would not be read by whoever is given it.
func TestMaskedMessagesKeepTheirLength(t *testing.T) {
	for message, want := range map[string]string{
		`Authorization: Digest username="a", nonce="SECRET", response=SECRET`:                                                             `Authorization: Digest username="a", nonce="xxxxxx", response=xxxxxx`,
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^31|1:4\r\n":                                                                   "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxxxx|2^31|1:4\r\n",
		"Authorization: Basic SECRET":                                                                                                     "Authorization: Basic xxxxxx",
		"INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n":                                  "INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=x\r\nDuration=160\r\n",
		"INFO sip:a SIP/2.0\r\nc: application/dtmf\r\n\r\n 5\r\n":                                                                         "INFO sip:a SIP/2.0\r\nc: application/dtmf\r\n\r\n x\r\n",
		"INFO sip:a SIP/2.0\r\nContent-Type: application / dtmf-relay ; charset = utf-8\r\n\r\n signal = 5\r\n":                           "INFO sip:a SIP/2.0\r\nContent-Type: application / dtmf-relay ; charset = utf-8\r\n\r\n signal = x\r\n",
		"INFO sip:a SIP/2.0\r\nContent-Type:\r\n application/dtmf\r\n\r\n5":                                                               "INFO sip:a SIP/2.0\r\nContent-Type:\r\n application/dtmf\r\n\r\nx",
		"INFO sip:a SIP/2.0\r\nAuthorization: Basic SECRET\r\n\r\nSignal=5":                                                               "INFO sip:a SIP/2.0\r\nAuthorization: Basic xxxxxx\r\n\r\nSignal=5",
		"INFO sip:a SIP/2.0\r\nc: application/dtmf-relay\r\nAuthorization: Basic SECRET\r\n\r\nSignal=5":                                  "INFO sip:a SIP/2.0\r\nc: application/dtmf-relay\r\nAuthorization: Basic xxxxxx\r\n\r\nSignal=x",
		"INFO sip:a SIP/2.0\r\nc: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n--b--": "INFO sip:a SIP/2.0\r\nc: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=x\r\n--b--",
		"INFO sip:a SIP/2.0\r\nContent-Type: text/plain\r\n\r\nSignal=5\r\n":                                                              "INFO sip:a SIP/2.0\r\nContent-Type: text/plain\r\n\r\nSignal=5\r\n",
		"Contact: <sip:user:SECRET@10.0.0.1:5060>\r\nk=clear:SECRET\r\n":                                                                  "Contact: <sip:user:xxxxxx@10.0.0.1:5060>\r\nk=clear:xxxxxx\r\n",
		"INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal= \r\n\r\nSignal=\xff#\r\nDuration=160":                  "INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=x\r\n\r\nSignal=xx\r\nDuration=160",
	} {
		if got := SameLength(message); got != want || len(got) != len(message) {
			t.Errorf("%q\nbecomes %q\nwant    %q", message, got, want)
		}
	}
}

func FuzzSameLength(f *testing.F) {
	f.Add("INFO sip:a SIP/2.0\r\nAuthorization: Digest nonce=\"a\", response=b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n")
	f.Add("INVITE sip:a:b@c SIP/2.0\r\n\r\na=crypto:1 X inline:abc|2^31\r\nk=clear:x\r\n")
	f.Fuzz(func(t *testing.T, message string) {
		if got := SameLength(message); len(got) != len(message) {
			t.Errorf("%q becomes %q", message, got)
		}
	})
}
