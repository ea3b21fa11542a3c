package media

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"viaduct/appliance/media/mediatest"
)

// BenchmarkRTPEngineLoad puts the same load on rtpengine, when it is installed.
func BenchmarkRTPEngineLoad(b *testing.B) {
	sideA, sideB := netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")
	for _, calls := range mediatest.Sizes(b, loadSizes...) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) {
			needFiles(b, 1000)
			cmd := mediatest.RTPEngineCommand(b, sideA, sideB, 30000, 50000)
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			mediatest.ControlRTPEngine(b, cmd, sideA, sideB, net.Dial).Measure(b, mediatest.StartOnLoopback(b), calls, loadTime())
		})
	}
}
