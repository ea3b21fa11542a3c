package hub_test

import (
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/fleet/hub/hubtest"
)

func TestZZRace(t *testing.T) {
	h := hubtest.Cluster(t, 1)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.Ports[0]), &tls.Config{InsecureSkipVerify: true})
				if err == nil {
					c.Close()
				}
			}
		})
	}
	began := time.Now()
	for n := 0; time.Since(began) < 15*time.Second; n++ {
		h.Box(fmt.Sprint("b", n), nil)
	}
	close(stop)
	all.Wait()
}
