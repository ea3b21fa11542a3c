package logs

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

func TestSyslogMessage(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l := NewSyslog()
	log := slog.New(l.Handler())
	log.Error("before it is configured")
	l.Apply(&config.Syslog{Remotes: []config.SyslogRemote{{Host: "log", Port: uint16(server.LocalAddr().(*net.UDPAddr).Port)}}, Severity: "warning", Facility: "local3"}, "sbc01")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx, func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		})
	}()
	defer func() { cancel(); <-done }()
	log.Info("too little")
	log.With("gw", "wan").Warn("peer is away", "peer", strings.Repeat("x", 3000), "err", strings.Repeat("y", 3000))
	b := make([]byte, 4096)
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _, err := server.ReadFromUDP(b)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^<156>1 \d{4}-\d\d-\d\dT[\d:.]+Z sbc01 sbcd - - - msg="peer is away" gw=wan peer=xxx`).Match(b[:n]) || n != largestSyslog {
		t.Errorf("%d bytes: %s", n, b[:min(n, 200)])
	}
}
