package phones

import (
	"fmt"
	"net/netip"
	"testing"

	"viaduct/appliance/status"
)

func TestPhonesAreFoundAndBounded(t *testing.T) {
	var all []status.Phone
	for n := range 300 {
		all = append(all, status.Phone{Identity: fmt.Sprint(1000 + n), CallerID: fmt.Sprint("+4972115104", n)})
	}
	all[7].DisplayName = "Anna Meier"
	all[8].Bindings = []status.Binding{{Source: netip.MustParseAddrPort("10.108.2.51:5062"), UserAgent: "Yealink SIP-T46S"}}
	for query, want := range map[string]int{"": 300, "anna": 1, "10.108.2.51": 1, "yealink": 1, "1299": 1, "nobody": 0} {
		v := viewOf(all, nil, query)
		if v.Found != want || len(v.Phones) != min(want, mostShown) || v.All != 300 || v.Here != 1 {
			t.Errorf("%q: %d found, %d shown, %d of %d here", query, v.Found, len(v.Phones), v.Here, v.All)
		}
	}
	v := viewOf(nil, []status.Survival{{State: status.SurvivalUnknown}, {State: status.SurvivalWell}, {State: status.SurvivalLost}, {State: status.SurvivalReturning}}, "")
	for n, want := range []string{"off", "ok", "error", "warning"} {
		if v.Survivals[n].Kind != want {
			t.Errorf("survival %s is shown as %s", v.Survivals[n].State, v.Survivals[n].Kind)
		}
	}
}
