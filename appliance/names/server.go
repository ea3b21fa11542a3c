package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A check asks one server, past the cache and past what the resolver knows of the server.

// Kind is what is asked of a name.
type Kind dnsmessage.Type

const (
	A   = Kind(dnsmessage.TypeA)
	SRV = Kind(dnsmessage.TypeSRV)
	CAA = Kind(typeCAA)
)

const typeCAA = dnsmessage.Type(257) // RFC 8659

// Reply is what one server says of a name.
type Reply struct {
	Addrs []netip.Addr
	SRVs  []net.SRV // in the order of their priorities
	CAAs  []Authorization
	Alias string // the name that this one is an alias for (CNAME); "": it is none
	Took  time.Duration
}

// Authorization is one CAA record (RFC 8659 4.1).
type Authorization struct {
	Critical   bool
	Tag, Value string
}

// Servers are the name servers in use, in their order.
func (r *Resolver) Servers() []netip.AddrPort { return slices.Clone(r.servers()) }

// AskServer asks one server about a name. It asks again over TCP for a long answer, and once more when the first question gets none. The error
// wraps ErrNotFound or the context's error, is a *SilentError, or says what the server did.
func (r *Resolver) AskServer(ctx context.Context, server netip.AddrPort, kind Kind, name string) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	start := time.Now()
	q := question{canonical(name), dnsmessage.Type(kind)}
	alias := ""
	for range maxChain {
		got, err := askOne(ctx, server, q)
		if alias == "" {
			alias = aliasOf(got.canonical, q.name)
		}
		if err != nil || got.alias == "" {
			return Reply{Addrs: got.addrs, SRVs: byPriority(got.srvs), CAAs: got.caas, Alias: alias, Took: time.Since(start)}, err
		}
		q.name = got.alias
	}
	return Reply{Alias: alias}, errAliases
}

func aliasOf(last, asked string) string {
	if last == asked {
		return ""
	}
	return last
}

func byPriority(list []net.SRV) []net.SRV {
	slices.SortStableFunc(list, func(a, b net.SRV) int { return int(a.Priority) - int(b.Priority) })
	return list
}

// askOne asks one question twice at most.
func askOne(ctx context.Context, server netip.AddrPort, q question) (reply, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return reply{}, fmt.Errorf("open socket: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	x := exchange{conn: conn, q: q, edns: true, asked: map[netip.AddrPort]uint16{}, down: map[netip.AddrPort]error{}}
	for range 2 {
		if err := x.send(server); err != nil {
			x.down[server] = err
			break
		}
		if got, ok, err := x.receive(ctx, time.Now().Add(oneServer)); ok {
			return got.reply, err
		}
		if x.down[server] != nil || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return reply{}, ctx.Err()
	}
	return reply{}, unanswered([]netip.AddrPort{server}, x.down)
}

// oneServer is how long one server may take for one question: a resolver that has to ask others first needs a second or two.
const oneServer = 2 * time.Second

// authorization reads the data of a CAA record.
func authorization(data []byte) (a Authorization, ok bool) {
	if len(data) < 2 || int(data[1]) > len(data)-2 || data[1] == 0 {
		return a, false
	}
	n := 2 + int(data[1])
	return Authorization{Critical: data[0]&128 != 0, Tag: strings.ToLower(string(data[2:n])), Value: string(data[n:])}, true
}
