package sipmsg

import "testing"

func FuzzAddress(f *testing.F) {
	for _, s := range []string{`"A \" <b>" <sip:a@b;x=1>;tag=2`, "sip:a@b;tag=1", "<tel:+49;ext=1>", `a <sip:[::1]:5060>, "x,y" <sip:b>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, one := range SplitList(s) {
			n := ParseNameAddr(one)
			SplitURI(n.URI)
			n.Param("tag")
			if u, err := rawURI(n.URI); err == nil && u.String() != n.URI {
				t.Errorf("%q became %q", n.URI, u.String())
			}
		}
		Q850(s)
	})
}
