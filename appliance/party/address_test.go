package party

import (
	"testing"

	"viaduct/appliance/config"
)

func TestSignsBetweenDigits(t *testing.T) {
	sw := &config.Switch{NationalPrefix: "0", InternationalPrefix: "00", CountryCode: "49", Emergency: []string{"112"}}
	for uri, want := range map[string]string{
		"sip:0049-30-123456@h":          "004930123456",
		"sip:+49(0)30123456@h":          "+4930123456",
		"sip:030%2F123456@h":            "030123456",
		"sip:0049%2030%20123456@h":      "004930123456",
		"sip:+49%20(0)%2030%20123456@h": "+4930123456",
		"sip:+49%20%5B0%5D30/123456@h":  "+4930123456",
		"sip:%2B49%20(0)30@h":           "+4930",
		"sip:(+49)30123@h":              "+4930123",
		"sip:+(49)(0)30123@h":           "+4930123",
		"sip:0049(0)30@h":               "004930",
		"sip:+39%20(0)6%2012345@h":      "+390612345",
		"sip:(0)30%20123@h":             "030123",
		"sip:(030)123@h":                "030123",
		"sip:030%E2%80%93123%C2%A045@h": "03012345",
		"sip:030.123@h":                 "030123",
		"sip:1-1-2@h":                   "112",
		"sip:222-3@h":                   "222-3",
		"sip:222-3@h;user=phone":        "2223",
		"tel:222-3;phone-context=+49":   "2223",
		"sip:user.01@h":                 "user.01",
		"sip:anna-maria@h":              "anna-maria",
		"sip:192.168.1.1@h":             "192.168.1.1",
		"sip:0.0.0.1@h":                 "0.0.0.1",
		"sip:+49-30-12a@h":              "+49-30-12a",
		"sip:+49(0)(0)30@h":             "+49030",
		"sip:-@h":                       "-",
		"sip:@h":                        "",
		"sip:h":                         "",
		"sip:+4930;ext=5@h":             "+4930",
		"<sip:+49-30-1@h;user=phone>":   "+49301",
	} {
		if got := Number(sw, uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
	for uri, want := range map[string]string{
		"sip:+49(0)30%20123@h:5060;user=phone": "sip:+4930123@h:5060;user=phone",
		"sip:+49-30;ext=5@h":                   "sip:+4930;ext=5@h",
		"sip:user.01@h;x=user.01":              "sip:user.01@h;x=user.01",
		"tel:+49-30":                           "tel:+4930",
		"sip:+4930@h":                          "sip:+4930@h",
		"":                                     "",
	} {
		if got := PlainURI(sw, uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
	// Nothing is configured: what begins with 0 may be anything.
	none := &config.Switch{}
	for uri, want := range map[string]string{"sip:030-123@h": "030-123", "sip:0049-30@h": "004930", "sip:+49-30@h": "+4930"} {
		if got := Number(none, uri); got != want {
			t.Errorf("without prefixes: %s: %q, want %q", uri, got, want)
		}
	}
}
