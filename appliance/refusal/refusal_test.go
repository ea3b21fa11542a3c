package refusal

import (
	"errors"
	"testing"
	"time"

	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

func TestWhatAFinalResponseMeans(t *testing.T) {
	for name, x := range map[string]struct {
		e    sipgw.Failed
		rang bool
		want Failure
	}{
		"busy on busy of Teams": {sipgw.Failed{Code: 486, Cause: 34}, false, Failure{Code: 486, Cause: 17}},
		"a cause refines a 5xx": {sipgw.Failed{Code: 503, Cause: 34}, false, Failure{Code: 503, Cause: 34}},
		"it has rung":           {sipgw.Failed{Code: 503}, true, Failure{Code: 480, Cause: 19, Reason: "Temporarily Unavailable"}},
		"a challenge":           {sipgw.Failed{Code: 401}, false, Failure{Code: 503, Cause: 21, Reason: "Service Unavailable"}},
		"redirected":            {sipgw.Failed{Code: 302}, false, Failure{Code: 480, Cause: 23, Reason: "Temporarily Unavailable"}},
		"not reached": {sipgw.Failed{Code: 408, Local: true, Err: errors.New("no route")}, false,
			Failure{Code: 503, Cause: 38, Reason: "Service Unavailable", Text: "no route", Local: true}},
	} {
		if got := Of(x.e, x.rang); got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
}

func TestWhatAnErrorMeans(t *testing.T) {
	for want, got := range map[Failure]Failure{
		{Code: 488, Reason: "Not Acceptable Here", Text: "no codec", Warning: 304}: Unusable(&sdp.Error{Code: 488, Text: "no codec", Warning: 304}),
		{Code: 400, Reason: "Bad Request", Text: "no v="}:                          Unusable(&sdp.Error{Code: 400, Text: "no v="}),
		{Code: 404, Reason: "Not Found", Text: "no entry"}:                         Unroutable(errors.New("no entry")),
		{}: Declined(0, "he takes it"),
	} {
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if f := Unroutable(&route.Error{Cause: 21}); f.Code != 403 || f.Cause != 21 || f.Reason != "Call Rejected" {
		t.Errorf("%+v", f)
	}
	if f := Declined(486, "in a meeting"); f.Code != 486 || f.Cause != 17 || f.Text != "in a meeting" {
		t.Errorf("%+v", f)
	}
}

func TestHeaders(t *testing.T) {
	h := Failure{Cause: 47, Warning: 304, Text: `no "codec"`, Retry: 10 * time.Millisecond}.Headers()
	if len(h) != 3 || h[0].Value != "Q.850;cause=47" || h[1].Value != `304 sbc "no \"codec\""` || h[2].Value != "1" {
		t.Errorf("%+v", h)
	}
	if h := (Failure{Code: 404}).Headers(); len(h) != 0 {
		t.Errorf("%+v", h)
	}
}

// The text of a peer's Reason stays on its side.
func TestReasons(t *testing.T) {
	for reason, want := range map[string]string{
		`Q.850;cause=16;text="pbx.customer.example"`: "Q.850;cause=16",
		"sip ; cause=200":       CompletedElsewhere,
		"Q.850;cause=26":        CompletedElsewhere,
		"X.int;cause=5":         "",
		"Q.850;cause=99999":     "",
		"Q.850;cause=1\r\nX: y": "",
		"":                      "",
	} {
		if got := Elsewhere(reason); got != want {
			t.Errorf("%q: %q, want %q", reason, got, want)
		}
	}
}
