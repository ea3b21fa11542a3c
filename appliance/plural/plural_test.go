package plural

import "testing"

func TestNumbersWithTheirNouns(t *testing.T) {
	for n, want := range map[int]string{0: "0 minutes are, were", 1: "1 minute is, was", 2: "2 minutes are, were"} {
		if got := Of(n, "minute") + " " + Is(n) + ", " + Was(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
