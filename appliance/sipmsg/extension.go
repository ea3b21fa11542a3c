package sipmsg

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Expires reads Session-Expires: its interval (0: none) and who refreshes ("uac", "uas", "").
func Expires(m interface{ Headers() []sip.Header }) (interval time.Duration, refresher string) {
	value, params, _ := strings.Cut(First(m, "Session-Expires"), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return 0, ""
	}
	refresher, _ = Param(params, "refresher")
	return time.Duration(n) * time.Second, strings.ToLower(refresher)
}

func Supports(m interface{ Headers() []sip.Header }, tag string) bool {
	for _, name := range []string{"Supported", "Require"} {
		for _, v := range Values(m, name) {
			for _, t := range SplitList(v) {
				if strings.EqualFold(t, tag) {
					return true
				}
			}
		}
	}
	return false
}

func Requires(m interface{ Headers() []sip.Header }, tag string) bool {
	for _, v := range Values(m, "Require") {
		for _, t := range SplitList(v) {
			if strings.EqualFold(t, tag) {
				return true
			}
		}
	}
	return false
}

// Q850 is the cause of a Reason header value such as `Q.850;cause=34;text="..."`, 0 when it holds none.
func Q850(v string) int {
	for _, one := range SplitList(v) {
		protocol, params, _ := strings.Cut(one, ";")
		if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
			continue
		}
		n, _ := Param(params, "cause")
		if cause, err := strconv.Atoi(n); err == nil && cause > 0 && cause < 128 {
			return cause
		}
	}
	return 0
}
