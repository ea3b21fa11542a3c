package netcfg

type wall struct{}

func newWall() (*wall, error) { return &wall{}, nil }
func (w *wall) Close() error  { return nil }
func (j *job) firewall()      {}
