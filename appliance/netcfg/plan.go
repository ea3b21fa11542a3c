package netcfg

import "viaduct/appliance/config"

type job struct {
	*Net
	cfg    *config.Config
	report Report
	errs   []error
}
type plan struct{ ports []*port }
type port struct{}

func (j *job) plan() *plan    { return &plan{} }
func (j *job) port(p *port)   {}
func (j *job) routes(p *plan) {}
