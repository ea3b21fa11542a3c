package siptx

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"viaduct/appliance/sipmsg"
)

// ringer is a phone that is asked: it notes with which words it was given up first.
type ringer struct{ reasons []string }

func (r *ringer) GiveUp(h []sipmsg.Header) {
	reason := ""
	if len(h) > 0 {
		reason = h[0].Value
	}
	r.reasons = append(r.reasons, reason)
}

func asked(phones int) (*Branches, []*ringer) {
	b, list := &Branches{}, make([]*ringer, phones)
	for n := range list {
		list[n] = &ringer{}
		b.list = append(b.list, branch{tx: list[n]})
	}
	return b, list
}

func answerOf(code int) *sipmsg.Response {
	return sipmsg.Parse(fmt.Appendf(nil, "SIP/2.0 %d X\r\n\r\n", code), nil, sipmsg.Framing{}, netip.AddrPort{}).Response
}

// permutations calls f with each order of 0 to n-1.
func permutations(n int, f func(order []int)) {
	var walk func(order []int)
	walk = func(order []int) {
		if len(order) == n {
			f(slices.Clone(order))
			return
		}
		for k := range n {
			if !slices.Contains(order, k) {
				walk(append(order, k))
			}
		}
	}
	walk(nil)
}

// Whatever the order in which phones refuse, the call gets the same answer.
func TestTheBestRefusalIsTheCalls(t *testing.T) {
	unreached := errors.New("unreached")
	for _, c := range []struct {
		codes []any // an error, or a code
		want  any
	}{
		{[]any{486, 480, 404}, 486},
		{[]any{480, 404, 503}, 480},
		{[]any{404, 500, unreached}, 404},
		{[]any{unreached, ErrTimeout, 486}, 486},
		{[]any{unreached, ErrTimeout, 503}, ErrTimeout}, // 408 (16.7: timer C), of a lower class
		{[]any{unreached, 503, 500}, 500},
		{[]any{unreached, 503}, 503},
		{[]any{unreached, unreached}, unreached},
		{[]any{302, 486, unreached}, 302},
		{[]any{401, 486, 407}, 486}, // a phone that asks us for credentials gets none
		{[]any{488, 480, 403}, 488},
		{[]any{487, 480, 408}, 480},
		{[]any{502, 503, 504}, 502},
	} {
		permutations(len(c.codes), func(order []int) {
			b, list := asked(len(c.codes))
			for n, k := range order {
				code, isCode := c.codes[k].(int)
				want := Ignored
				if n == len(order)-1 {
					want = Refused
				}
				var got Verdict
				if isCode {
					got = b.Take(k, answerOf(code), nil)
				} else {
					got = b.Take(k, nil, c.codes[k].(error))
				}
				if got != want {
					t.Errorf("%v in the order %v: verdict %d at %d, want %d", c.codes, order, got, n, want)
				}
			}
			_, res, err := b.Best()
			got := any(err)
			if res != nil {
				got = res.StatusCode
			}
			// 502 and 504 are as good as each other: the first phone's counts.
			if got != c.want {
				t.Errorf("%v in the order %v: %v, want %v", c.codes, order, got, c.want)
			}
			for _, r := range list {
				if len(r.reasons) > 0 {
					t.Errorf("%v in the order %v: a phone was cancelled", c.codes, order)
				}
			}
		})
	}
}

// Whatever the order, one answer has the call, and the others stop to ring and show no missed call.
func TestOneAnswerHasTheCall(t *testing.T) {
	codes := []int{200, 486, 200, 180, 603}
	permutations(len(codes), func(order []int) {
		b, list := asked(len(codes))
		accepted, refused := -1, false
		for n, k := range order {
			before := slices.Clone(list)
			silent := []int{}
			for m := range before {
				if !b.list[m].final && m != k {
					silent = append(silent, m)
				}
			}
			switch v := b.Take(k, answerOf(codes[k]), nil); {
			case codes[k] == 200 && accepted < 0:
				if v != Accepted {
					t.Fatalf("%v: the first 200 is %d", order[:n+1], v)
				}
				accepted = k
				for _, m := range silent {
					if r := list[m].reasons; len(r) == 0 || !refused && r[0] != elsewhere[0].Value {
						t.Fatalf("%v: phone %d was told %q", order[:n+1], m, r)
					}
				}
			case codes[k] == 200 && v != Unwanted:
				t.Fatalf("%v: the second 200 is %d", order[:n+1], v)
			case codes[k] == 180 && v == Provisional != (accepted < 0 && !refused):
				t.Fatalf("%v: 180 is %d", order[:n+1], v)
			case codes[k] > 300 && v != Ignored:
				t.Fatalf("%v: %d is %d", order[:n+1], codes[k], v)
			}
			refused = refused || codes[k] == 603
		}
		if v := b.Take(accepted, answerOf(200), nil); v != Unwanted { // it comes again
			t.Errorf("%v: %d", order, v)
		}
	})
}

// FuzzBranches has phones say anything in any order, and compares with what is plain from the whole story. Each pair of octets is a phone and
// what happens to it.
func FuzzBranches(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 2, 2})
	f.Add([]byte{0, 5, 1, 1, 1, 8, 0, 9, 2, 3})
	f.Add([]byte{2, 7, 0, 1, 1, 2, 1, 2, 0, 3, 2, 1})
	codes := []int{180, 200, 486, 302, 404, 603, 503, 100}
	f.Fuzz(func(t *testing.T, story []byte) {
		const phones = 3
		b, list := asked(phones)
		var hungUp, ended [phones]bool // ended: it has its final response, or has hung up
		winner, givenUp, over := -1, false, false
		for len(story) >= 2 && len(story) < 200 {
			n, what := int(story[0])%phones, int(story[1])%(len(codes)+3)
			story = story[2:]
			was := ended[n]
			var got Verdict
			want := Ignored
			switch {
			case what < len(codes) && codes[what] < 200:
				got = b.Take(n, answerOf(codes[what]), nil)
				if !was && winner < 0 && !givenUp {
					want = Provisional
				}
			case what < len(codes) && codes[what] == 200:
				got = b.Take(n, answerOf(200), nil)
				want = Unwanted
				if winner < 0 && !hungUp[n] && !over {
					winner, want = n, Accepted
				}
				ended[n] = true
			case what < len(codes):
				if got = b.Take(n, answerOf(codes[what]), nil); !was {
					ended[n], givenUp = true, givenUp || codes[what] >= 600
				}
			case what == len(codes):
				got = b.Take(n, nil, ErrTimeout)
				ended[n] = true
			case what == len(codes)+1:
				if got = b.HungUp(n); !was {
					ended[n], hungUp[n] = true, true
				}
			default:
				got = b.GiveUp(nil)
				givenUp = true
			}
			if all := ended[0] && ended[1] && ended[2]; all && winner < 0 && !over {
				over, want = true, Refused
			}
			if got != want {
				t.Fatalf("verdict %d, want %d", got, want)
			}
			if over {
				if best, res, _ := b.Best(); res != nil && res.StatusCode/100 == 2 || !ended[best] {
					t.Fatalf("%d is the best", best)
				}
			}
			for m := range list {
				if (winner >= 0 || givenUp) && !ended[m] && len(list[m].reasons) == 0 {
					t.Fatalf("phone %d goes on ringing", m)
				}
				if winner < 0 && !givenUp && len(list[m].reasons) > 0 {
					t.Fatalf("phone %d was cancelled", m)
				}
				if m == winner && len(list[m].reasons) > 0 && !givenUp {
					t.Fatal("who answered was cancelled")
				}
			}
		}
	})
}
