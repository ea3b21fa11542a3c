package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is the name server of the world (UDP and TCP). Its answers can be changed at any time;
// a small TTL lets the box notice soon.
type DNS struct {
	ttl uint32
	udp net.PacketConn
	tcp net.Listener
	wg  sync.WaitGroup

	mu sync.Mutex // protects the following
	// zone has every name that exists, lower case, without the final dot.
	zone    map[string][]netip.Addr
	srv     map[string][]dnsmessage.SRVResource
	txt     map[string][]string
	queries map[string]int
	silent  bool
}

func newDNS(ctx context.Context, n *Namespace, at netip.AddrPort, ttl uint32) (*DNS, error) {
	d := &DNS{ttl: ttl, zone: map[string][]netip.Addr{}, srv: map[string][]dnsmessage.SRVResource{}, txt: map[string][]string{}, queries: map[string]int{}}
	var err error
	if d.udp, err = n.ListenPacket(ctx, "udp4", at.String()); err != nil {
		return nil, fmt.Errorf("listen for names on udp %v: %w", at, err)
	}
	if d.tcp, err = n.Listen(ctx, "tcp4", at.String()); err != nil {
		d.udp.Close()
		return nil, fmt.Errorf("listen for names on tcp %v: %w", at, err)
	}
	d.wg.Go(d.serveUDP)
	d.wg.Go(d.serveTCP)
	return d, nil
}

func (d *DNS) close() error {
	err := errors.Join(d.udp.Close(), d.tcp.Close())
	d.wg.Wait()
	return err
}

// Set gives a name its addresses. Without any, the name exists but has none (NODATA).
func (d *DNS) Set(name string, addrs ...netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.zone[canonical(name)] = addrs
}

// SetSRV gives a service name like _sip._udp.example.com its records.
func (d *DNS) SetSRV(name string, records ...dnsmessage.SRVResource) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.srv[canonical(name)] = records
}

// SetTXT gives a name its TXT records.
func (d *DNS) SetTXT(name string, records ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.txt[canonical(name)] = records
}

// Remove makes a name unknown (NXDOMAIN).
func (d *DNS) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.zone, canonical(name))
	delete(d.srv, canonical(name))
	delete(d.txt, canonical(name))
}

// SetSilent makes the server answer nothing at all, or answer again.
func (d *DNS) SetSilent(silent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = silent
}

// Queries says how often a name was asked for.
func (d *DNS) Queries(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries[canonical(name)]
}

// lookup is how the simulated peers find the box: by the same zone, without the network.
func (d *DNS) lookup(name string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return a, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if addrs := d.zone[canonical(name)]; len(addrs) > 0 {
		return addrs[0], nil
	}
	return netip.Addr{}, fmt.Errorf("look up %s: no such name", name)
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (d *DNS) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := d.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := d.answer(buf[:n]); answer != nil {
			_, _ = d.udp.WriteTo(answer, from)
		}
	}
}

func (d *DNS) serveTCP() {
	for {
		conn, err := d.tcp.Accept()
		if err != nil {
			return
		}
		d.wg.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			for {
				var length [2]byte
				if _, err := io.ReadFull(conn, length[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				answer := d.answer(query)
				if answer == nil {
					return
				}
				if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
					return
				}
			}
		})
	}
}

// answer makes the answer to one query; nil: none.
func (d *DNS) answer(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := canonical(q.Name.String())

	d.mu.Lock()
	d.queries[name]++
	addrs, known := d.zone[name]
	services, service := d.srv[name]
	texts := d.txt[name]
	silent := d.silent
	d.mu.Unlock()
	if silent {
		return nil
	}

	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	if !known && !service && len(texts) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: d.ttl}
	switch q.Type {
	case dnsmessage.TypeA:
		for _, a := range addrs {
			if a.Is4() {
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.AResource{A: a.As4()}})
			}
		}
	case dnsmessage.TypeSRV:
		for i := range services {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: rh, Body: &services[i]})
		}
	case dnsmessage.TypeTXT:
		for _, text := range texts {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.TXTResource{TXT: []string{text}}})
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}
