// Package graph speaks to Microsoft Graph as an application: it signs in, lists the users of a tenant, reads how they are, and tells that they are busy.
//
// It owns the sign-in and its token (token.go, assertion.go), the limits of Graph and when it wants to be left alone (request.go, held.go), what is
// understood of answers (stream.go), and what went wrong in words with a cure (error.go, codes.go). It does not own connections, which come as an
// http.RoundTripper, nor when anything is asked, nor what follows from a state. It has no goroutine. A Client is safe for concurrent use.
//
// Shapes are those of Microsoft Graph v1.0: presence, user, setPresence, and of the OAuth 2.0 client credentials flow of Microsoft Entra.
package graph

import (
	"crypto"
	"crypto/x509"
	"net/http"
	"net/url"
	"sync"
	"time"

	"viaduct/appliance/config"
)

// Hosts are where a cloud is reached: https://NAME, without a path.
type Hosts struct {
	Login string // signs applications in
	Graph string // answers
}

// HostsOf are the hosts of a cloud (Microsoft Graph, national cloud deployments).
func HostsOf(c config.PresenceCloud) Hosts {
	switch c {
	case config.CloudGCCHigh:
		return Hosts{"https://login.microsoftonline.us", "https://graph.microsoft.us"}
	case config.CloudDoD:
		return Hosts{"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"}
	case config.CloudChina:
		return Hosts{"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"}
	}
	return Hosts{"https://login.microsoftonline.com", "https://graph.microsoft.com"} // GCC, too
}

// Credentials are whose tenant is asked, and as whom.
type Credentials struct {
	Tenant      string // its id, or one of its domains
	Application string // its id in Entra
	Cloud       config.PresenceCloud
	Secret      string            // of the application; unused when there is a Key
	Certificate *x509.Certificate // as uploaded to Entra
	Key         crypto.Signer     // of Certificate: RSA
	Hosts       Hosts             // zero: those of Cloud
}

// requestTime is how long one request may take, with its answer. A poll that is slower is of no use: states are too old after three.
const requestTime = 20 * time.Second

// Client asks Graph as one application. Its methods return errors that are *Error; with the caller's context ended they wrap that context's error,
// too. It is safe for concurrent use: those who need a token at the same time share one sign-in.
type Client struct {
	c       Credentials
	hosts   Hosts
	http    http.Client
	signing chan struct{} // holds a token of ours while somebody signs in

	mu     sync.Mutex
	token  token
	failed failure   // of the last sign-in
	forced time.Time // when a token was dropped before its end
	hold   hold
}

// New makes a client. Nothing is asked before one of its methods is called.
func New(t http.RoundTripper, c Credentials) *Client {
	hosts := c.Hosts
	if hosts == (Hosts{}) {
		hosts = HostsOf(c.Cloud)
	}
	return &Client{c: c, hosts: hosts, signing: make(chan struct{}, 1),
		// A redirect would take secret, assertion or token to another host. Neither service has reason to send one.
		http: http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// ConsentLink is where an administrator of the tenant grants the application its permissions.
func (c *Client) ConsentLink() string { return ConsentLink(c.c) }

// ConsentLink is where an administrator of the tenant grants the application its permissions.
func ConsentLink(c Credentials) string {
	hosts := c.Hosts
	if hosts == (Hosts{}) {
		hosts = HostsOf(c.Cloud)
	}
	return hosts.Login + "/" + url.PathEscape(c.Tenant) + "/adminconsent?client_id=" + url.QueryEscape(c.Application)
}

// Held is until when Microsoft wants to be left alone; a time in the past: it does not. Until then every method fails at once, and asks nothing.
func (c *Client) Held() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold.until
}

// Close gives up connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
