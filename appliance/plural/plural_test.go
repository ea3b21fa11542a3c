package plural

import "testing"

func TestNumbersWithTheirNouns(t *testing.T) {
	for n, want := range map[int]string{0: "0 minutes are, were", 1: "1 minute is, was", 2: "2 minutes are, were"} {
		if got, want := Of(n, "identity")+", "+Of(n, "day"), map[int]string{0: "0 identities, 0 days", 1: "1 identity, 1 day", 2: "2 identities, 2 days"}[n]; got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
		if got := Of(n, "minute") + " " + Is(n) + ", " + Was(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
