package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/lab/proxy"
	"viaduct/appliance/status"
)

// company is a proxy of lab/proxy before a hub. It lets through to port 443 only, which is the hub's.
func company(t *testing.T, h *hub, o proxy.Options) (*proxy.Proxy, config.HTTPProxy) {
	t.Helper()
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "hub.example.com:443" {
			return nil, fmt.Errorf("%s is not known", address)
		}
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", h.port))
	}
	p, err := proxy.New(o)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.Serve(l)
	t.Cleanup(func() { _ = p.Close() })
	at := netip.MustParseAddrPort(l.Addr().String())
	return p, config.HTTPProxy{Host: at.Addr().String(), Port: at.Port(), User: o.User, Password: config.Secret(o.Password)}
}

func TestThroughAProxy(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	certificate := ca.issue("hub.example.com")
	box := member{"berlin", newKeyOf(t), true}
	h := newHub(t, certificate, box)
	both := func(extra *x509.Certificate) *x509.CertPool {
		pool := ca.roots()
		pool.AddCert(extra)
		return pool
	}
	plain, through := company(t, h, proxy.Options{User: "box", Password: "pa:ss"})
	inspecting, read := company(t, h, proxy.Options{Inspect: ca.roots()})
	wrong := through
	wrong.Password = "secret"
	pin := PinOf(certificate.Leaf)
	for name, c := range map[string]struct {
		settings  Settings
		why, cure string // "": it connects
	}{
		"by the issuer":                {Settings{Proxy: through, Roots: ca.roots()}, "", ""},
		"by the pin":                   {Settings{Proxy: through, Pin: pin}, "", ""},
		"a wrong password":             {Settings{Proxy: wrong, Roots: ca.roots()}, "the proxy wants a user name and a password", "`username` and `password`"},
		"another host":                 {Settings{Proxy: through, Roots: ca.roots(), Hubs: []*config.HubNode{{Host: "other.example.com", Port: 443}}}, "the proxy refuses to connect: 502", "lets the box connect"},
		"another port":                 {Settings{Proxy: through, Roots: ca.roots(), Hubs: []*config.HubNode{{Host: "hub.example.com", Port: 8443}}}, "the proxy refuses to connect: 403", "lets the box connect"},
		"no proxy there":               {Settings{Proxy: config.HTTPProxy{Host: "127.0.0.1", Port: 1}, Roots: ca.roots()}, "the proxy is not reached", "host and port of `http-proxy`"},
		"inspected, trusted":           {Settings{Proxy: read, Roots: both(inspecting.CA())}, "", ""},
		"inspected, its CA is missing": {Settings{Proxy: read, Roots: ca.roots()}, `a certificate from "Lab Inspecting Proxy", which is not trusted`, "name its CA in `http-proxy`"},
		"inspected, with a pin":        {Settings{Proxy: read, Pin: pin}, `which "Lab Inspecting Proxy" has issued, does not have the pinned key`, "no pin fits"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newClient(t)
			b.start()
			s := c.settings
			s.Name, s.Key = "berlin", box.key
			if s.Hubs == nil {
				s.Hubs = nodes(443)
			}
			b.Apply(s)
			err := b.Reach(b.within())
			if (err == nil) != (c.why == "") || err != nil && (!strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), c.cure)) {
				t.Errorf("%v", err)
			}
			if shown := fmt.Sprint(err, b.log); strings.Contains(shown, "secret") || strings.Contains(shown, "pa:ss") {
				t.Errorf("it shows a password: %s", shown)
			}
		})
	}
	if len(plain.Tunnels()) == 0 || len(inspecting.Read()) == 0 {
		t.Error("nothing went through the proxies")
	}
}

// Whatever a proxy says, or does not, an attempt ends in its time and leaves nothing behind.
func TestAProxyThatTalksNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		say     string
		endless bool // it goes on with that
	}{
		"nothing":                 {},
		"half a line":             {"HTTP/1.1 20", false},
		"another protocol":        {"SSH-2.0-OpenSSH\r\n", false},
		"an endless line":         {strings.Repeat("x", 4096), true},
		"an endless header":       {"HTTP/1.1 200 OK\r\n" + strings.Repeat("x: y\r\n", 500), true},
		"it connects to nothing":  {"HTTP/1.1 200 OK\r\n\r\n", false},
		"it connects to nonsense": {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("\x16\x03\x03", 1000), true},
		"to be continued":         {"HTTP/1.1 100 Continue\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				heard := make(chan struct{})
				go func() { defer close(heard); _, _ = io.Copy(io.Discard, conn) }()
				_, err = io.WriteString(conn, c.say)
				for err == nil && c.endless {
					_, err = io.WriteString(conn, c.say)
				}
				<-heard
			}()
			b := newClient(t)
			at := netip.MustParseAddrPort(l.Addr().String())
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			w, err := b.dialHub(ctx, &Settings{Name: "berlin", Key: newKeyOf(t), Pin: "00", Proxy: config.HTTPProxy{Host: at.Addr().String(), Port: at.Port()}}, nodes(443)[0])
			if err == nil {
				w.Close()
				t.Fatal("it is a hub")
			}
			l.Close() // on a busy machine it has not come so far
			receive(t, ended)
		})
	}
}

// What stands at a hub's address and is none.
func TestWhatIsNoHub(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "https://evil.example.com/", http.StatusFound)
	}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue("hub.example.com")}}
	web.StartTLS()
	t.Cleanup(web.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ended := make(chan struct{})
	go func() { // takes one connection and ends it, once it was greeted: with octets unread it would be reset
		defer close(ended)
		if conn, err := mute.Accept(); err == nil {
			conn.Read(make([]byte, 16<<10))
			conn.Close()
		}
		mute.Close()
	}()
	t.Cleanup(func() { <-ended })
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue("hub.example.com")}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	port := func(at net.Addr) uint16 { return netip.MustParseAddrPort(at.String()).Port() }
	gone, err := net.Dial("tcp", web.Listener.Addr().String()) // its port is taken as long as the test runs, and nobody listens there
	must(t, err)
	t.Cleanup(func() { gone.Close() })
	for name, c := range map[string]struct {
		port      uint16
		why, cure string
	}{
		"a web server":    {port(web.Listener.Addr()), "it answers 302 Found, and not as a hub", "Check host and port"},
		"no TLS":          {port(plain.Listener.Addr()), "does not speak TLS", "Check host and port"},
		"an end at once":  {port(mute.Addr()), "it has ended the connection", ""},
		"an old TLS":      {port(old.Listener.Addr()), "protocol version", ""},
		"nobody listens":  {port(gone.LocalAddr()), "connection refused", "firewall"},
		"no name for it":  {0, "is not resolved", "name servers"},
		"the box's clock": {1, "not valid at the time of the box", "show clock"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.port == 1 {
				late := newHub(t, ca.issue("hub.example.com", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), member{"berlin", newKeyOf(t), true})
				c.port = late.port
			}
			b := newClient(t)
			if c.port == 0 {
				b.o.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
			}
			b.start()
			b.Apply(Settings{Name: "berlin", Key: newKeyOf(t), Hubs: nodes(c.port), Roots: ca.roots()})
			if err := b.Reach(b.within()); err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), c.cure) {
				t.Errorf("%v", err)
			}
		})
	}
}

// One of two nodes goes: the box is at the other at once, hears what it has listened to, and what it keeps is there once at least.
func TestANodeIsLost(t *testing.T) {
	ca := newAuthority(t, "Fleet CA")
	box, operator := member{"berlin", newKeyOf(t), true}, member{"anna", newKeyOf(t), false}
	certificate := ca.issue("hub.example.com")
	hubs := map[string]*hub{}
	var ports []uint16
	for range 2 {
		h := newHub(t, certificate, box, operator)
		hubs[fmt.Sprintf("hub.example.com:%d", h.port)] = h
		ports = append(ports, h.port)
	}
	b := newClient(t)
	heard := make(chan string, 100)
	for i := range 5 {
		_, err := b.Listen(fmt.Sprintf("test.berlin.%d", i), func(m fleet.Message) { heard <- m.Subject })
		must(t, err)
	}
	b.start()
	b.Apply(Settings{Name: "berlin", Key: box.key, Hubs: nodes(ports...), Roots: ca.roots()})
	must(t, b.Reach(b.within()))
	for range 2 {
		lost := b.State().Hub
		_, next := b.Changed()
		answered := make(chan error, 1)
		go func() {
			_, err := b.Request(b.within(), "box.berlin.nobody", nil)
			answered <- err
		}()
		receive(t, answered)
		hubs[lost].stop()
		receive(t, next)
		b.until(status.FleetConnected)
		at := b.State().Hub
		if at == lost {
			t.Fatalf("it is at %s again", at)
		}
		o := newClient(t)
		o.start()
		o.Apply(Settings{Name: "anna", Key: operator.key, Hubs: []*config.HubNode{{Host: "hub.example.com", Port: hubs[at].port}}, Roots: ca.roots()})
		must(t, o.Reach(o.within()))
		_, _ = b.Request(b.within(), "box.berlin.nobody", nil) // by now the hub has what it listens to
		for i := range 5 {
			must(t, o.Send(fmt.Sprintf("test.berlin.%d", i), nil))
		}
		for i := range 5 {
			if got := receive(t, heard); got != fmt.Sprintf("test.berlin.%d", i) {
				t.Errorf("%s comes as number %d", got, i)
			}
		}
		hubs[lost].start()
	}
	if strings.Count(b.log.String(), "the hub is lost") != 2 || strings.Count(b.log.String(), "the hub is back") != 2 {
		t.Errorf("%s", b.log)
	}
}
