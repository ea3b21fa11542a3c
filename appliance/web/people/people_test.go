package people

import (
	"fmt"
	"strings"
	"testing"

	"rsc.io/qr"
)

// The image has what the code has, with its edge around.
func TestTheImageIsTheCode(t *testing.T) {
	const link = "https://login.microsoftonline.com/contoso.onmicrosoft.com/adminconsent?client_id=11111111-2222-3333-4444-555555555555"
	want, err := qr.Encode(link, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	got := drawn(link)
	if got.Size != want.Size+8 {
		t.Fatalf("the image has %d units, the code %d", got.Size, want.Size)
	}
	dark := map[[2]int]bool{}
	for run := range strings.SplitSeq(strings.TrimSuffix(got.Path, "z"), "z") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &n, &back); err != nil || n != back {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range n {
			dark[[2]int{x + i, y}] = true
		}
	}
	for y := range got.Size {
		for x := range got.Size {
			if dark[[2]int{x, y}] != want.Black(x-4, y-4) {
				t.Errorf("%d,%d is wrong", x, y)
			}
		}
	}
	if drawn(strings.Repeat("x", 5000)) != nil {
		t.Error("5,000 characters are a code")
	}
}
