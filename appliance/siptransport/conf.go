package siptransport

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/sipcount"
)

// Conf is a gateway's part of a configuration, immutable.
type Conf struct {
	Config         *config.Config
	Gateway        *config.SIPGateway
	binds          []Side
	interfaces     []*config.SIPInterface // bound to the gateway, in their order
	phones         bool                   // the peers of one are phones
	contacts       int                    // of phones that may register, mostPhones at most
	counts         []*sipcount.Counts     // of their messages; set by Configure
	tlsProfile     *config.TLSProfile
	tlsFingerprint string // changes when the certificate or the rules of TLS change
	tlsWaits       bool   // for the clock: nobody is dialled with TLS yet
	tlsErr         error
}

// NewConf gathers the configuration of one gateway. addrs returns the present local address of a bind (the zero Addr: none yet). secured
// says that the gateway has TLS already. An error names the parts that cannot work; the Conf holds the others.
func NewConf(cfg *config.Config, gw *config.SIPGateway, addrs func(config.AddressBind) netip.Addr, o Options, secured bool) (*Conf, error) {
	c := &Conf{Config: cfg, Gateway: gw, tlsProfile: gw.TLS.In(cfg)}
	var errs []error
	secure := false
	for _, i := range gw.Interfaces {
		b := newSide(i, addrs(i.Bind))
		if !b.addr.IsValid() {
			errs = append(errs, fmt.Errorf("gateway %s interface %s: its address is not there", gw.Name, i.Name))
		}
		c.binds = append(c.binds, b)
		secure = secure || slices.ContainsFunc(Transports, func(t Transport) bool { return t.Secure() && b.ports[t] != 0 })
	}
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if i.Gateway.Name == gw.Name {
				c.interfaces, c.phones = append(c.interfaces, i), c.phones || ofPhones(i)
			}
		}
	}
	c.contacts = c.countContacts()
	if secure {
		if c.tlsProfile == nil {
			c.tlsErr = errNoTLSProfile
		} else if _, err := pki.ServerConfig(c.tlsProfile, o.PKI); err != nil {
			c.tlsErr = err
		} else if o.Clock != nil && !secured {
			c.tlsErr = o.Clock()
			c.tlsWaits = c.tlsErr != nil
		}
		if c.tlsErr != nil {
			errs = append(errs, fmt.Errorf("gateway %s: %w", gw.Name, c.tlsErr))
		}
		c.tlsFingerprint = fingerprint(c.tlsProfile, o.PKI)
	}
	return c, errors.Join(errs...)
}

// fingerprint condenses everything that a TLS connection depends on. If it changes, all connections are opened anew, because the peers would
// go on to see the old certificate (A.10).
func fingerprint(p *config.TLSProfile, keys KeyStore) string {
	if p == nil || keys == nil {
		return ""
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %v %v %v %v %q", p.V12, p.V13, p.AuthIncoming, p.AuthOutgoing, p.PrivateKey, p.RequireType)
	names := append([]config.PKIName(nil), p.Trusted...)
	for _, o := range p.Own {
		names = append(names, o.Name)
	}
	for _, n := range names {
		fmt.Fprintf(&b, "\n%s", n)
		_, name, _ := strings.Cut(string(n), "/")
		list, _ := keys.Certificates(name)
		for _, x := range list {
			b.Write(x.Raw)
		}
	}
	sum := sha256.Sum256(b.Bytes())
	return string(sum[:])
}

// sockets are the sockets of the configuration, each with its interface.
func (c *Conf) sockets() map[listenKey]string {
	m := map[listenKey]string{}
	for _, b := range c.binds {
		for _, transport := range Transports {
			if port := b.port(transport); port != 0 && (!transport.Secure() || c.tlsErr == nil) {
				m[listenKey{transport, netip.AddrPortFrom(b.addr, port)}] = b.Name
			}
		}
	}
	return m
}

// TransportFor is the transport of requests to the peer of an interface (nil: a registrar). The `call outbound` of an identity ("": none) may
// force it.
func (c *Conf) TransportFor(i *config.SIPInterface, identity string) Transport {
	for _, r := range c.Gateway.Location {
		if l := r.In(c.Config); l != nil {
			if f, _ := l.Settings(identity); f.CallOutbound != nil {
				if forced, ok := ParseTransport(f.CallOutbound.ForceTransport); ok {
					return forced
				}
			}
		}
	}
	if i != nil && i.PenaltyBox.ForceTLS && c.First(TLS) != nil {
		return TLS
	}
	for _, t := range Transports {
		if c.First(t) != nil {
			return t
		}
	}
	return UDP
}
