package hep

import (
	"net"
	"strconv"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Status is how far the server has the packets.
func (c *Client) Status() status.HEP {
	c.mu.Lock()
	s := c.state
	c.mu.Unlock()
	s.Waiting, s.Sent, s.Shed = len(c.queue), c.sent.Load(), c.shed.Load()
	return s
}

// become notes a state. A server that is away is so until it is reached.
func (c *Client) become(to status.HEPState, s *settings) {
	server := ""
	if s != nil {
		server = net.JoinHostPort(s.Remote.Host, strconv.Itoa(int(s.Remote.Port))) + "/" + s.Remote.Transport
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if to == status.HEPReaching && c.state.State == status.HEPAway && c.state.Server == server {
		return
	}
	if c.state.State != to || c.state.Server != server {
		c.state.State, c.state.Server, c.state.Since = to, server, time.Now()
	}
}

// failed notes an error. It may have text of the server's certificate.
func (c *Client) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Failed, c.state.Error = time.Now(), printable.Text(err.Error())
}
