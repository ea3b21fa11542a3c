package duty

import (
	"reflect"
	"testing"

	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

func TestWhatBoxesDifferIn(t *testing.T) {
	own := Facts{Release: "2.0", Sums: map[string]string{"configuration": "a", "licenses": "b"}}
	firmware := status.PairDifference{What: "firmware", Here: "2.0", There: "1.9"}
	for _, x := range []struct {
		what   string
		silent bool
		word   pair.Word
		want   []status.PairDifference
	}{
		{"alike", false, pair.Word{Release: "2.0", Sums: own.Sums}, nil},
		{"nothing is heard", true, pair.Word{Release: "1.9"}, nil},
		{"firmware", false, pair.Word{Release: "1.9", Sums: own.Sums}, []status.PairDifference{firmware}},
		{"firmware, and sums that have not come yet", false, pair.Word{Release: "1.9"}, []status.PairDifference{firmware}},
		{"sums", false, pair.Word{Release: "2.0", Sums: map[string]string{"configuration": "c", "calendar": "d"}}, []status.PairDifference{
			{What: "calendar", There: "d"}, {What: "configuration", Here: "a", There: "c"}, {What: "licenses", Here: "b"},
		}},
	} {
		s := &seen{speaks: !x.silent, other: x.word}
		if got := s.differs(own); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %+v", x.what, got)
		}
	}
}
