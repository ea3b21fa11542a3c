package starface

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Transport makes connections to a STARFACE: two at most that nobody uses, and bounds on what is read before an answer. No proxy is between the box
// and the PBX. A compressed answer would be larger than what has been read of it: none is asked for.
func Transport(dial func(ctx context.Context, network, address string) (net.Conn, error), trust *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext: dial, TLSClientConfig: trust, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: requestTime,
		MaxIdleConns: 2, MaxConnsPerHost: workers, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 32 << 10, DisableCompression: true,
	}
}
