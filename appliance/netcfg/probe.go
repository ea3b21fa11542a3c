package netcfg

type probe struct{}

func newProbe() (*probe, error) { return &probe{}, nil }
func (p *probe) Close() error   { return nil }
