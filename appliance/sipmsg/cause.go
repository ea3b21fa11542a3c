package sipmsg

import (
	"strconv"
	"strings"
)

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
