package config

import "testing"

func TestWhoAUserPartNames(t *testing.T) {
	l := &LocationService{Identities: []*Identity{
		{Name: "21", Aliases: []string{"+4972115104221", "anna"}},
		{Name: "+22", Aliases: []string{"21"}},
		{Name: "anna"},
		{Name: "4972115104221x", Aliases: []string{"4972115104221"}},
	}}
	for user, want := range map[string]string{
		"21": "21", "+21": "21", "22": "+22", "%2B22": "+22", "+22": "+22", "%32%31": "21",
		"+4972115104221": "21", "4972115104221": "4972115104221x", "%2b4972115104221": "21",
		"anna": "anna", "Anna": "", "": "", "%": "", "23": "", "%zz": "", "+": "",
	} {
		got := ""
		if i := l.Named(user); i != nil {
			got = i.Name
		}
		if got != want {
			t.Errorf("%q names %q, not %q", user, got, want)
		}
	}
}
