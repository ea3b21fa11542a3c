package names

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/status"

	"golang.org/x/net/dns/dnsmessage"
)

// Times of one question. The next server is asked while the one before may still answer, so a dead first server costs
// nextServer and not a timeout; it is then asked last for a while.
const (
	nextServer = 400 * time.Millisecond
	rounds     = 3 // all servers are asked this often, with growing pauses
	queryTime  = 5 * time.Second
	demotion   = 30 * time.Second
)

var errAliases = errors.New("chain of aliases is too long")

// ask follows aliases that the server itself did not follow.
func (r *Resolver) ask(ctx context.Context, q question) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	ttl := maxTTL
	for range maxChain {
		got, err := r.askServers(ctx, q)
		got.ttl = min(got.ttl, ttl)
		if err != nil || got.alias == "" {
			return got.answer, err
		}
		q.name, ttl = got.alias, got.ttl
	}
	return answer{}, errAliases
}

// askServers sends the question to one server after the other over one socket and takes the first answer from any of them.
func (r *Resolver) askServers(ctx context.Context, q question) (reply, error) {
	servers := r.order()
	if len(servers) == 0 {
		return reply{}, ErrNoServers
	}
	// The socket is new for each question: a random port beside the random ID keeps forged answers out (RFC 5452).
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return reply{}, fmt.Errorf("open socket: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()

	x := exchange{conn: conn, q: q, edns: true, asked: map[netip.AddrPort]uint16{}, down: map[netip.AddrPort]error{}}
	for round := range rounds {
		if ctx.Err() != nil {
			break
		}
		pause := nextServer << round
		if len(servers) == 1 {
			pause *= 2
		}
		for _, server := range servers {
			if x.down[server] != nil {
				continue
			}
			if err := x.send(server); err != nil {
				if errors.Is(err, ErrNotFound) {
					return reply{}, err
				}
				x.down[server] = err
				continue
			}
			if got, ok, err := x.receive(ctx, time.Now().Add(pause)); ok {
				r.mark(servers, got.from)
				return got.reply, err
			}
			if ctx.Err() != nil {
				break
			}
		}
	}
	if r.ctx.Err() != nil {
		return reply{}, ErrClosed
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return reply{}, ctx.Err() // it begins anew; no server is to blame
	}
	r.mark(servers, netip.AddrPort{})
	return reply{}, unanswered(r.servers(), x.down)
}

// exchange is one question on its way.
type exchange struct {
	conn  *net.UDPConn
	q     question
	edns  bool
	asked map[netip.AddrPort]uint16 // the ID that each server was asked with
	down  map[netip.AddrPort]error  // servers that cannot or will not answer
}

// outcome is a usable message and its sender.
type outcome struct {
	reply
	from netip.AddrPort
}

func (x *exchange) send(server netip.AddrPort) error {
	id, again := x.asked[server]
	if !again {
		id = uint16(rand.Uint32())
		x.asked[server] = id
	}
	msg, err := query(id, x.q, x.edns)
	if err != nil {
		return err
	}
	if _, err = x.conn.WriteToUDPAddrPort(msg, server); err != nil {
		return err
	}
	return nil
}

// receive waits for an answer until the deadline. ok is false when none came that settles the question.
func (x *exchange) receive(ctx context.Context, deadline time.Time) (outcome, bool, error) {
	buf := make([]byte, 4096)
	for {
		if x.conn.SetReadDeadline(deadline); ctx.Err() != nil {
			return outcome{}, false, nil
		}
		n, from, err := x.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return outcome{}, false, nil
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		id, asked := x.asked[from]
		if !asked {
			continue
		}
		got, err := parse(buf[:n], id, x.q)
		if got.truncated {
			got, err = overTCP(ctx, from, x.q)
		}
		var refusal *serverError
		switch {
		case errors.Is(err, errNotOurs):
			continue
		case err == nil, errors.Is(err, ErrNotFound):
			return outcome{got, from}, true, err
		case errors.As(err, &refusal) && refusal.code == dnsmessage.RCodeFormatError && x.edns:
			// An old server that does not know EDNS (RFC 6891 section 7).
			x.edns = false
			if x.send(from) == nil {
				continue
			}
		}
		x.down[from] = fmt.Errorf("name server %s: %w", listed([]netip.AddrPort{from}), err)
		return outcome{}, false, nil // ask the next one now
	}
}

// overTCP asks one server over TCP, for an answer too long for UDP (RFC 7766).
func overTCP(ctx context.Context, server netip.AddrPort, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime/2)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return reply{}, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	id := uint16(rand.Uint32())
	msg, err := query(id, q, true)
	if err != nil {
		return reply{}, err
	}
	if _, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)); err != nil {
		return reply{}, fmt.Errorf("send over TCP: %w", err)
	}
	var size [2]byte
	if _, err = io.ReadFull(conn, size[:]); err != nil {
		return reply{}, fmt.Errorf("read over TCP: %w", err)
	}
	msg = make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err = io.ReadFull(conn, msg); err != nil {
		return reply{}, fmt.Errorf("read over TCP: %w", err)
	}
	got, err := parse(msg, id, q)
	if errors.Is(err, errNotOurs) || got.truncated {
		return reply{}, errors.New("nonsense over TCP")
	}
	return got, err
}

// Status lists the servers in use, and which of them are silent.
func (r *Resolver) Status() (list []status.NameServer) {
	servers, now := r.servers(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range servers {
		x := status.NameServer{Address: a}
		if until := r.failed[a]; until.After(now) {
			x.Silent = until
		}
		list = append(list, x)
	}
	return list
}

// order lists the servers, recently failed ones last.
func (r *Resolver) order() []netip.AddrPort {
	servers := slices.Clone(r.servers())
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	slices.SortStableFunc(servers, func(a, b netip.AddrPort) int {
		fa, fb := r.failed[a].After(now), r.failed[b].After(now)
		switch {
		case fa == fb:
			return 0
		case fb:
			return -1
		}
		return 1
	})
	return servers
}

// mark notes the server that answered: the servers before it did not. A zero address means that none answered.
func (r *Resolver) mark(servers []netip.AddrPort, answered netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !answered.IsValid() {
		clear(r.failed) // all are equally bad: keep to the configured order
		return
	}
	delete(r.failed, answered)
	until := time.Now().Add(demotion)
	for _, s := range servers {
		if s == answered {
			return
		}
		r.failed[s] = until
	}
}
