package sipmsg

import (
	"strings"
)

// Replaces names a dialog that a new one replaces (RFC 3891), with the tags as its receiver sees them.
type Replaces struct {
	CallID, ToTag, FromTag string
	EarlyOnly              bool
}

// ParseReplaces reads the value of a Replaces header. It returns false for a malformed value.
func ParseReplaces(v string) (Replaces, bool) {
	id, params, _ := strings.Cut(v, ";")
	r := Replaces{CallID: strings.TrimSpace(id)}
	r.ToTag, _ = Param(params, "to-tag")
	r.FromTag, _ = Param(params, "from-tag")
	_, r.EarlyOnly = Param(params, "early-only")
	return r, r.CallID != "" && r.ToTag != "" && r.FromTag != "" && !strings.Contains(v, ",")
}

func (r Replaces) String() string {
	s := r.CallID + ";to-tag=" + r.ToTag + ";from-tag=" + r.FromTag
	if r.EarlyOnly {
		s += ";early-only"
	}
	return s
}
