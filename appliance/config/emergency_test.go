package config

import "testing"

func TestEmergencyNumbersInEveryForm(t *testing.T) {
	i := &SIPInterface{Name: "teams"}
	c := &Config{CS: []*Switch{{}, {Emergency: []string{"112", "110"}, CountryCode: "49", Interfaces: []*SIPInterface{i}}}}
	for number, want := range map[string]bool{
		"112": true, "+112": true, "+49112": true, "110": true,
		"49112": false, "0112": false, "1120": false, "+4911": false, "+491120": false, "": false, "+": false,
	} {
		if got := c.SwitchOf(i).IsEmergency(number); got != want {
			t.Errorf("%q: %v", number, got)
		}
	}
	if c.SwitchOf(&SIPInterface{}).IsEmergency("112") || c.CS[0].IsEmergency("112") {
		t.Error("an emergency number of no context, or of a context that has none")
	}
}
