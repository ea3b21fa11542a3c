package sipgw

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// expires reads Session-Expires: its interval (0: none) and who refreshes ("uac", "uas", "").
func expires(m interface{ Headers() []sip.Header }) (interval time.Duration, refresher string) {
	value, params, _ := strings.Cut(firstValue(m, "Session-Expires"), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return 0, ""
	}
	refresher, _ = Param(params, "refresher")
	return time.Duration(n) * time.Second, strings.ToLower(refresher)
}

func supports(m interface{ Headers() []sip.Header }, tag string) bool {
	for _, name := range []string{"Supported", "Require"} {
		for _, v := range headerValues(m, name) {
			for _, t := range splitList(v) {
				if strings.EqualFold(t, tag) {
					return true
				}
			}
		}
	}
	return false
}

func requires(m interface{ Headers() []sip.Header }, tag string) bool {
	for _, v := range headerValues(m, "Require") {
		for _, t := range splitList(v) {
			if strings.EqualFold(t, tag) {
				return true
			}
		}
	}
	return false
}

// q850 is the cause of a Reason header value such as `Q.850;cause=34;text="..."`, 0 when it holds none.
func q850(v string) int {
	for _, one := range splitList(v) {
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
