package hub

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/fleet"
)

// Sizes of what is stored on a node.
const (
	registryStore = 128 << 20  // reserved for the registry
	DefaultStore  = 1536 << 20 // of a customer: what its streams reserve
	minStore      = 256 << 20
	defaultTotal  = 16 << 30
)

// Bounds of connections. A customer's account has room for each of its boxes twice, because an old connection may linger while a new one is made.
const (
	maxSubscriptions = 2048 // of one connection: 20 tunnels of an operator, and what a steward listens to
	spareConnections = 256
	eachOperator     = 64 // connections: one for each `hub connect`
)

// Size is a number of octets for people.
func Size(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}} {
		if n >= u.size {
			return strconv.FormatFloat(float64(n)/float64(u.size), 'f', -1, 64) + " " + u.name
		}
	}
	return fmt.Sprintf("%d octets", n)
}

// conf writes nats.conf, at each start, because the folder may have been moved. A stock nats-server from 2.9.10 on reads it.
func (n *Node) conf() string {
	var b strings.Builder
	p := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	chain, key := n.path(fileNode), n.path(fileNodeKey)
	if n.Given() {
		chain, key = n.path(fileCert), n.path(fileCertKey)
	}
	p("# Written by hub run from hub.json: changes are lost.")
	p("server_name: %s", quote(n.place.Name))
	p("listen: %s", quote(n.place.Client))
	p("pid_file: %s", quote(n.path(filePID)))
	p("max_payload: %d", fleet.MaxMessage)
	p("max_control_line: 4096")
	p("max_pending: 16777216")
	p("max_connections: 16384")
	p("max_subscriptions: %d", maxSubscriptions)
	p("ping_interval: \"20s\"")
	p("ping_max: 2")
	p("write_deadline: \"10s\"")
	p("websocket {")
	p("  listen: %s", quote(n.place.Listen))
	p("  handshake_timeout: \"10s\"")
	p("  tls { cert_file: %s, key_file: %s, timeout: 10 }", quote(chain), quote(key))
	p("}")
	p("jetstream {")
	p("  store_dir: %s", quote(n.path(dirStore)))
	p("  max_file_store: %d", n.counted(n.set.Store))
	p("  max_memory_store: %d", 256<<20)
	p("}")
	if len(n.set.Nodes) > 1 {
		p("cluster {")
		p("  name: \"hub\"")
		p("  listen: %s", quote(n.place.Routes))
		p("  no_advertise: true")
		p("  tls { cert_file: %s, key_file: %s, ca_file: %s, verify: true, timeout: 10 }", quote(n.path(fileNode)), quote(n.path(fileNodeKey)), quote(n.path(fileCA)))
		p("  routes: [")
		for _, other := range n.set.Nodes {
			if other.Name != n.place.Name {
				p("    %s", quote((&url.URL{Scheme: "tls", Host: other.route()}).String()))
			}
		}
		p("  ]")
		p("}")
	}
	p("include %s", quote(fileAccounts))
	return b.String()
}

// counted is so much storage as the engine counts it: once for each replica.
func (n *Node) counted(store int64) int64 { return store * int64(n.Replicas()) }

// quote writes a text as a string of nats.conf, whose escapes are those of Go as far as host names and paths have any.
func quote(s string) string { return strconv.Quote(s) }

// accounts writes accounts.conf: who may connect, and what each may do. It depends on nothing but the registry, so all nodes come to the same.
func (n *Node) accounts(l *Listing) string {
	var b strings.Builder
	p := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	taken := map[string]bool{} // a key that stands twice would have the engine refuse the whole file
	user := func(key, rest string) {
		if key != "" && !taken[key] {
			taken[key] = true
			p("      {nkey: %s, %s}", key, rest)
		}
	}
	local := `allowed_connection_types: ["STANDARD"]`
	p("# Written by hub run from the registry: changes are lost.")
	p("system_account: SYS")
	p("accounts {")
	p("  SYS: {}")
	p("  HUB: {")
	p("    jetstream: {max_mem: %d, max_file: %d, max_streams: 4, max_consumers: 256}", 16<<20, n.counted(registryStore))
	p("    users: [")
	user(publicOf(n.adminKey()), local)
	p("    ]")
	p("  }")
	for _, c := range Sorted(l.Customers) { // the hub's own come first, so that no box has the key of one
		taken[publicOf(n.stewardKey(c.Name))], taken[publicOf(n.localOperator(c.Name))] = true, true
	}
	for _, c := range Sorted(l.Customers) {
		connections := 2*len(c.Boxes) + eachOperator*len(c.Operators) + spareConnections
		p("  %s: {", quote(c.Name))
		p("    jetstream: {max_mem: %d, max_file: %d, max_streams: 16, max_consumers: 1024}", 16<<20, n.counted(c.Store))
		p("    limits: {max_connections: %d, max_payload: %d, max_leafnodes: 0}", connections, fleet.MaxMessage)
		p("    users: [")
		delete(taken, publicOf(n.stewardKey(c.Name)))
		delete(taken, publicOf(n.localOperator(c.Name)))
		user(publicOf(n.stewardKey(c.Name)), local)
		user(publicOf(n.localOperator(c.Name)), operatorMay(DefaultOperator))
		for _, x := range Sorted(c.Boxes) {
			user(x.Key, boxMay(x.Name)+remote)
		}
		for _, o := range Sorted(c.Operators) {
			user(o.Key, operatorMay(o.Name)+remote)
		}
		p("    ]")
		p("  }")
	}
	p("}")
	return b.String()
}

// remote has a key of somebody elsewhere be of no use on the hub's own machine.
const remote = `, allowed_connection_types: ["WEBSOCKET"]`

// boxMay is what a box may do: speak under its own name, be asked, and answer whom it was asked by.
func boxMay(name string) string {
	return permissions(
		[]string{"box." + name + ".>", fleet.Tunnel("*", name, "*", false)},
		[]string{"to." + name + ".>", fleet.DialOf("*", name), fleet.Tunnel("*", name, "*", true), fleet.Inbox(name) + ".>"},
		`, allow_responses: {max: 1, expires: "1m"}`)
}

// operatorMay is what an operator may do: dial boxes under the own name, follow what boxes send, and ask when one was seen last. Nothing of JetStream is
// among it: the engine sends its answers to whatever subject is asked for, and so an operator could have one kept as a message of a box.
func operatorMay(name string) string {
	return permissions(
		[]string{fleet.DialOf(name, "*"), fleet.SeenOf(name, "*"), fleet.Tunnel(name, "*", "*", true)},
		[]string{fleet.StatusOf("*"), fleet.AlarmsOf("*"), fleet.CallsOf("*"), fleet.Tunnel(name, "*", "*", false), fleet.Inbox(name) + ".>"}, "")
}

func permissions(publish, subscribe []string, more string) string {
	list := func(subjects []string) string {
		for i, s := range subjects {
			subjects[i] = quote(s)
		}
		return "[" + strings.Join(subjects, ", ") + "]"
	}
	return "permissions: {publish: " + list(publish) + ", subscribe: " + list(subscribe) + more + "}"
}
