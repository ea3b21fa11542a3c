package system

import (
	"log/slog"
	"slices"
	"sync"

	"viaduct/appliance/lang/check"
)

// refusals are what the kernel or a socket refuses of the present configuration. Each is a line in the log when it is new and one when
// it is over, however often the configuration is applied meanwhile. The zero value is empty; it is safe for concurrent use.
type refusals struct {
	mu   sync.Mutex
	list []refusedBy
}

// refusedBy are those that one engine has met.
type refusedBy struct {
	by   string
	list []unmet
}

type unmet struct {
	text  string
	quiet bool // somebody else logs it
}

// set takes what an engine has met this time, all of it.
func (r *refusals) set(log *slog.Logger, by string, list []unmet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.list, func(x refusedBy) bool { return x.by == by })
	if i < 0 {
		i = len(r.list)
		r.list = append(r.list, refusedBy{by: by})
	}
	before := r.list[i].list
	r.list[i].list = list
	for _, x := range list {
		if !x.quiet && !slices.Contains(before, x) {
			log.Error(by+" not as configured", "err", x.text)
		}
	}
	for _, x := range before {
		if !x.quiet && !slices.Contains(list, x) {
			log.Info(by+" as configured again", "name", x.text)
		}
	}
}

// problems are all of them as the list of problems has them.
func (r *refusals) problems() (list []check.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.list {
		for _, y := range x.list {
			list = append(list, check.Problem{Severity: check.Warning, Text: y.text})
		}
	}
	return list
}
