package people

import (
	"net/http"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
	"viaduct/appliance/web/steps"
)

// step is a step of a test as the page shows it.
type step struct{ status.CheckStep }

// Kind is the badge of its state.
func (s step) Kind() string { return steps.Kind(s.State) }

// result is a test that has ended.
type result struct {
	Name  string
	Steps []step
	Well  bool
	Ended time.Time
}

func resultOf(name string, c status.Checkup) result {
	r := result{Name: name, Well: true, Ended: c.Ended}
	for _, s := range c.Steps {
		r.Steps = append(r.Steps, step{s})
		r.Well = r.Well && s.State != status.CheckFailed
	}
	return r
}

// running bounds the tests that browsers have going.
var running = make(chan struct{}, 2)

// test goes through everything that a service needs.
func test(q *page.Request) error {
	s, err := service(q, q.Form("name"))
	if err != nil {
		return err
	}
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	default:
		return q.Fail(http.StatusServiceUnavailable, "people.busy")
	}
	return steps.Show(q, []string{wire.Enabled}, "presence test "+cli.Quote(s.Name), steps.View{
		Step: func(_ int, x status.CheckStep) any { return step{x} },
		End:  func(c status.Checkup) any { return resultOf(s.Name, c) },
		Whole: func(c status.Checkup) error {
			return q.RenderTitled(q.T("people.test"), "tested.html", resultOf(s.Name, c))
		},
	})
}
