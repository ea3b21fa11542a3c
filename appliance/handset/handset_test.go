package handset

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatPhonesSayOfThemselves(t *testing.T) {
	for _, c := range []struct {
		say  string
		want Device
	}{
		{"Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc", Device{"Yealink", "T46S", "66.86.0.15"}},
		{"Yealink SIP-T21P_E2 52.80.0.3 00:15:65:4c:4c:26", Device{"Yealink", "T21P_E2", "52.80.0.3"}},
		{"yealink W60B 77.85.0.20 80:5e:c0:00:00:01", Device{"Yealink", "W60B", "77.85.0.20"}},
		{"Yealink SIP-T54W", Device{"Yealink", "T54W", ""}},
		{"Mozilla/4.0 (compatible; snom320-SIP 8.4.18 1.1.3-s)", Device{"Snom", "320", "8.4.18"}},
		{"Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-00004-g9ba52f5 000413922D24 SXM:0 UXM:0)", Device{"Snom", "D785", "10.1.33.33"}},
		{"snomD735/10.1.64.14", Device{"Snom", "D735", "10.1.64.14"}},
		{"snomPA1-SIP 8.4.35", Device{"Snom", "PA1", "8.4.35"}},
		{"Gigaset N870 IP PRO/83.V2.11.0+build.a546b91;7C2F80E0D605", Device{"Gigaset", "N870 IP PRO", "83.V2.11.0"}},
		{`"N510 IP PRO/42.250.00.000.000;7C2F80000001"`, Device{"Gigaset", "N510 IP PRO", "42.250.00.000.000"}},
		{"FileTransport PolycomVVX-VVX_411-UA/5.9.5.0614 Type/Application", Device{"Poly", "VVX_411", "5.9.5.0614"}},
		{"AUDC-IPPhone-430HD/3.2.1.580", Device{"AudioCodes", "430HD", "3.2.1.580"}},
		{"Cisco/CP-8841-3PCC", Device{"Cisco", "CP-8841-3PCC", ""}},
		{"Grandstream GXP2170 1.0.11.35", Device{"Grandstream", "GXP2170", "1.0.11.35"}},
		{"curl/8.14.1", Device{}},
		{"", Device{}},
		{"Linphone/5.0 (Yealink SIP-T46S 66.86.0.15)", Device{}},
	} {
		if got := Identify(c.say); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.say, got, c.want)
		}
	}
	if got := Identify("Yealink SIP-T46S 66.86.0.15").String() + Identify("x").String(); got != "Yealink T46S 66.86.0.15" {
		t.Errorf("for people: %q", got)
	}
}

// What anybody may send never becomes more than a few printable words.
func FuzzIdentify(f *testing.F) {
	f.Add("Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc")
	f.Add("Mozilla/4.0 (compatible; snom320-SIP 8.4.18 1.1.3-s)")
	f.Add("N870" + strings.Repeat(" IP", 200) + "\x1b[2J/1")
	f.Fuzz(func(t *testing.T, say string) {
		for _, part := range []string{Identify(say).Model, Identify(say).Firmware} {
			if utf8.RuneCountInString(part) > 40 || strings.ContainsAny(part, "\x00\r\n\x1b") {
				t.Errorf("%q says %q", say, part)
			}
		}
	})
}
