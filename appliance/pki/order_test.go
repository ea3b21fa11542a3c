package pki

import (
	"crypto/x509"
	"slices"
	"testing"
)

// TestLeafFirst: a bundle that begins with the root, or is shuffled, is presented in the order of its chain; what is no single chain stays as it is.
func TestLeafFirst(t *testing.T) {
	root := issue(t, nil, "Root", authority)
	upper := issue(t, root, "Upper", authority)
	lower := issue(t, upper, "Lower", authority)
	leaf := issue(t, lower, "sbc.example").cert
	stray, other := issue(t, nil, "Stray", authority).cert, issue(t, lower, "other.example").cert
	r, u, l := root.cert, upper.cert, lower.cert
	for what, x := range map[string]struct{ list, want []*x509.Certificate }{
		"in order":         {[]*x509.Certificate{leaf, l, u, r}, []*x509.Certificate{leaf, l, u, r}},
		"the root first":   {[]*x509.Certificate{r, u, l, leaf}, []*x509.Certificate{leaf, l, u, r}},
		"shuffled":         {[]*x509.Certificate{u, leaf, r, l}, []*x509.Certificate{leaf, l, u, r}},
		"one of no chain":  {[]*x509.Certificate{stray, u, l, leaf}, []*x509.Certificate{leaf, l, u, stray}},
		"torn":             {[]*x509.Certificate{r, u, leaf}, []*x509.Certificate{leaf, r, u}},
		"authorities only": {[]*x509.Certificate{r, u, l}, []*x509.Certificate{r, u, l}},
		"two of their own": {[]*x509.Certificate{l, other, leaf}, []*x509.Certificate{l, other, leaf}},
		"alone":            {[]*x509.Certificate{leaf}, []*x509.Certificate{leaf}},
		"nothing":          {nil, nil},
	} {
		before := slices.Clone(x.list)
		if got := LeafFirst(x.list); !slices.EqualFunc(got, x.want, (*x509.Certificate).Equal) {
			t.Errorf("%s: another order", what)
		}
		if !slices.Equal(x.list, before) {
			t.Errorf("%s: the list of the caller is changed", what)
		}
	}
}
