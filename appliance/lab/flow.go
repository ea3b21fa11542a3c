package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	writeTimeout   = 30 * time.Second
	maxMessageSize = 64 << 10
)

// flow is the way on which a message came, or goes: a connection, or a UDP socket with an address.
type flow struct {
	network  string // udp, tcp or tls
	local    netip.AddrPort
	remote   netip.AddrPort
	accepted bool // the peer opened it
	hub      *Hub // whose it is, at Teams
	gone     bool // the box of a pair that it led to has ended it; of Teams' goroutine

	write func([]byte) error
	close func()
}

func (f *flow) reliable() bool { return f.network != "udp" }

func (f *flow) String() string {
	how := "to"
	if f.accepted {
		how = "from"
	}
	return fmt.Sprintf("%s %s %v", f.network, how, f.remote)
}

func packetFlow(conn *net.UDPConn, remote netip.AddrPort) *flow {
	return &flow{
		network: "udp", local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), remote: remote,
		write: func(b []byte) error {
			_, err := conn.WriteToUDPAddrPort(b, remote)
			return err
		},
		close: func() {},
	}
}

func streamFlow(network string, conn net.Conn, accepted bool) *flow {
	var mu sync.Mutex // keeps messages whole: keep-alive answers come from the reader
	return &flow{
		network: network, accepted: accepted,
		local: conn.LocalAddr().(*net.TCPAddr).AddrPort(), remote: conn.RemoteAddr().(*net.TCPAddr).AddrPort(),
		write: func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			_, err := conn.Write(b)
			return err
		},
		close: func() { _ = conn.Close() },
	}
}

// readStream cuts a connection into messages until it ends. A double CRLF between messages is a
// keep-alive and is answered by a single one (RFC 5626 4.4.1). idle ends a quiet connection; 0: never.
func readStream(conn net.Conn, f *flow, idle time.Duration, take func([]byte)) error {
	r := bufio.NewReaderSize(conn, 8192)
	blank := 0
	for {
		if idle > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(idle))
		}
		var data bytes.Buffer
		length := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				if err == io.EOF && data.Len() == 0 && line == "" {
					return io.EOF
				}
				return fmt.Errorf("read from %v: %w", f.remote, err)
			}
			if data.Len() == 0 && strings.TrimRight(line, "\r\n") == "" {
				if blank++; blank == 2 {
					blank = 0
					if err := f.write([]byte("\r\n")); err != nil {
						return err
					}
				}
				continue
			}
			blank = 0
			data.WriteString(line)
			if data.Len() > maxMessageSize {
				return fmt.Errorf("read from %v: message over %d octets", f.remote, maxMessageSize)
			}
			if line == "\r\n" {
				break
			}
			if name, value, ok := strings.Cut(line, ":"); ok && is(strings.TrimSpace(name), "Content-Length") {
				n, err := strconv.Atoi(strings.TrimSpace(value))
				if err != nil || n < 0 || n > maxMessageSize {
					return fmt.Errorf("read from %v: Content-Length %q", f.remote, strings.TrimSpace(value))
				}
				length = n
			}
		}
		if _, err := io.CopyN(&data, r, int64(length)); err != nil {
			return fmt.Errorf("read body from %v: %w", f.remote, err)
		}
		take(data.Bytes())
	}
}

// readPackets hands on every datagram until the socket is closed.
func readPackets(conn *net.UDPConn, take func(*flow, []byte)) {
	buf := make([]byte, maxMessageSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if len(bytes.TrimSpace(buf[:n])) > 0 { // an empty datagram is a keep-alive
			take(packetFlow(conn, from), bytes.Clone(buf[:n]))
		}
	}
}
