// Package refusal is why a call fails: the status of SIP and the cause of Q.850 that its caller is told, and what becomes of the words of a peer
// on the way there.
//
// It owns which failure an error or a final response means, and the Reason and Warning headers. It does not own what follows from it: the next
// destination, or the end of the call (package call). It has no state and no goroutines.
package refusal

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
)

// Failure says why an attempt or the call failed. The zero value: it has not.
type Failure struct {
	Code    int // SIP status towards the caller
	Cause   int // Q.850
	Reason  string
	Text    string // Reason and Warning of the peer
	Warning int    // code of our own Warning header, whose text is Text; 0: none
	Retry   time.Duration
	Local   bool // the peer said nothing, or could not be tried. The hunt goes on, whatever causes its group lists
}

// Causes of Q.850 that decide something.
const (
	Redirected           = 23 // redirection to new destination
	ResourcesUnavailable = 47
)

// Unusable turns an error of offer/answer into a refusal.
func Unusable(err error) Failure {
	f := Failure{Code: 488, Reason: "Not Acceptable Here", Text: err.Error()}
	var e *sdp.Error
	if errors.As(err, &e) {
		f.Warning = e.Warning
		if e.Code == 400 {
			f.Code, f.Reason = 400, "Bad Request"
		}
	}
	return f
}

// Unroutable turns an error of routing into a refusal.
func Unroutable(err error) Failure {
	f := Failure{Code: 404, Reason: "Not Found", Text: err.Error()}
	var e *route.Error
	if errors.As(err, &e) {
		f.Cause = e.Cause
		if f.Code = route.SIPFromCause(e.Cause); f.Code != 404 {
			f.Reason = "Call Rejected"
		}
	}
	return f
}

// Unlicensed is 503, so that Teams tries its next trunk (teams.md A.37).
func Unlicensed(err error) Failure {
	return Failure{Code: 503, Reason: "Service Unavailable", Cause: ResourcesUnavailable, Text: err.Error()}
}

// Declined is the failure of a call whose callee does not want to be rung. The zero failure for code 0: he does.
func Declined(code int, why string) Failure {
	if code == 0 {
		return Failure{}
	}
	return Failure{Code: code, Cause: route.CauseFromSIP(code), Reason: sipmsg.Phrase(code), Text: why}
}

// Of reads a final response. For 4xx and 6xx the status code decides; a Reason header only refines a 5xx. Teams says "busy on
// busy" with 486 and cause 34 (teams.md A.29): a hunt on that cause would ring the callee three times.
func Of(e sipgw.Failed, rang bool) Failure {
	// Its reason phrase stays here: it is text of one side and may name things there.
	f := Failure{Code: e.Code, Text: e.Text, Retry: e.RetryAfter, Cause: route.CauseFromSIP(e.Code)}
	if e.Code >= 500 && e.Code < 600 && e.Cause != 0 {
		f.Cause = e.Cause
	}
	if e.Local {
		// DNS, TCP, TLS or a peer that is gone: the next destination at once.
		f.Local, f.Cause, f.Reason = true, 38, "Service Unavailable"
		if f.Code < 500 || f.Code >= 600 {
			f.Code = 503
		}
		if e.Err != nil {
			f.Text = e.Err.Error()
		}
	}
	switch {
	case rang && (e.Local || e.Code == 408 || e.Code == 503 || e.Code == 504):
		// It has rung. 408, 503 and 504 would make Teams try its next trunk, and the phone ring again.
		f.Code, f.Reason, f.Cause = 480, "Temporarily Unavailable", 19
	case e.Code == 401 || e.Code == 407:
		// The caller cannot answer a challenge that was meant for our account.
		f.Code, f.Reason = 503, "Service Unavailable"
	case e.Code >= 300 && e.Code < 400:
		f.Code, f.Reason, f.Cause = 480, "Temporarily Unavailable", Redirected
	}
	return f
}

// Headers are those of the response that tells the failure: Reason, Warning (RFC 3261 20.43) and Retry-After, as far as there is something to
// say.
func (f Failure) Headers() (h []sipmsg.Header) {
	if f.Cause != 0 {
		h = Header(Q850(f.Cause))
	}
	if f.Warning != 0 {
		h = append(h, sipmsg.Header{Name: "Warning", Value: fmt.Sprintf("%d sbc %q", f.Warning, f.Text)})
	}
	if f.Retry > 0 {
		h = append(h, sipmsg.Header{Name: "Retry-After", Value: seconds(f.Retry)})
	}
	return h
}

// seconds prints a Retry-After value, at least one.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
