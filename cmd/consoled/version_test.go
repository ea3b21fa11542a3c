package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"viaduct/appliance/api/wire"
)

// speaking stands in front of an sbcd and gives its answers another version.
func speaking(t *testing.T, version, sbcd string) (socket string) {
	t.Helper()
	socket = socketPath(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "sbcd"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sbcd)
	}}
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Del(wire.VersionHeader)
		if version != "" {
			r.Header.Set(wire.VersionHeader, version)
		}
		return nil
	}
	s := &http.Server{Handler: proxy}
	go s.Serve(l) // until Close
	t.Cleanup(func() { s.Close() })
	return socket
}

func TestAnotherVersionIsNamed(t *testing.T) {
	box, sbcd := newToy(), socketPath(t)
	box.serve(t, sbcd)
	for version, says := range map[string]string{
		"1": "",
		"2": "% sbcd speaks version 2 of the console protocol, this console version 1: restart the box (reload)\n",
		"":  "% sbcd speaks version 0 of the console protocol, this console version 1: restart the box (reload)\n",
	} {
		socket := speaking(t, version, sbcd)
		out, status := pipe(t, socket, "show version\nshow version\n")
		if status != 0 || strings.Count(out, "toy of") != 2 {
			t.Errorf("version %q: status %d\n%s", version, status, out)
		}
		if n := strings.Count(out, "console protocol"); says == "" && n != 0 || says != "" && (n != 1 || !strings.Contains(out, says)) {
			t.Errorf("version %q: it is to say %q once\n%s", version, says, out)
		}
		if says != "" {
			u, _ := stdioTTY(t, socket)
			u.sees("console protocol, this console version 1")
			u.sees("box>")
		}
	}
}
