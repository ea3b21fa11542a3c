//go:build race

package lease

// A world has one goroutine, so the race detector has nothing to see in it: it gets a small one.
func init() { usual = plan{boxes: 150, total: 75, days: 36, faults: 1500} }
