package hubcli

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"viaduct/appliance/fleet/hub"
)

// pairs are flags of the form NAME=VALUE, which may come more than once.
type pairs struct {
	names  []string
	values map[string]string
}

func (p *pairs) String() string { return "" }

func (p *pairs) Set(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found || name == "" || value == "" {
		return fmt.Errorf("it is written %s", "NAME=VALUE")
	}
	if _, twice := p.values[name]; twice {
		return fmt.Errorf("%s stands twice", name)
	}
	if p.values == nil {
		p.values = map[string]string{}
	}
	p.names, p.values[name] = append(p.names, name), value
	return nil
}

func initHub(flags *flag.FlagSet) func(*call) error {
	var o hub.Options
	var nodes, authorities pairs
	var store size
	flags.StringVar(&o.Name, "name", "", "what boxes dial: a host `name` or an address; of a hub with three nodes, what it is called")
	flags.Var(&nodes, "node", "`NAME=ADDRESS` of a node, where boxes and the other nodes reach it; three times, or not at all")
	flags.StringVar(&o.Listen, "listen", ":443", "where boxes and operators are served, over WebSocket in TLS: `:PORT or ADDRESS:PORT`")
	flags.StringVar(&o.Client, "client", "127.0.0.1:4222", "where programs of this machine are served, without TLS: `ADDRESS:PORT`")
	flags.StringVar(&o.Routes, "routes", ":6222", "where the other nodes are served, with TLS on both sides: `:PORT or ADDRESS:PORT`")
	cert := flags.String("cert", "", "`file` with a certificate to show to boxes and operators, and its chain (PEM), in place of one of the hub's own authority")
	key := flags.String("key", "", "`file` with its key (PEM)")
	flags.Var(&store, "store", "what all customers together may keep on a node: a `size` such as 16GB; default 16GB")
	flags.Var(&authorities, "authority", "`NAME=KEY` of an issuer of licenses that the hub believes, besides those that are built in")
	return func(c *call) error {
		if o.Name == "" {
			return usageError("-name is missing")
		}
		for _, name := range nodes.names {
			o.Nodes = append(o.Nodes, hub.Place{Name: name, Address: nodes.values[name]})
		}
		o.Store, o.Authorities = int64(store), authorities.values
		for file, into := range map[string]*[]byte{*cert: &o.Certificate, *key: &o.Key} {
			if file == "" {
				continue
			}
			var err error
			if *into, err = os.ReadFile(file); err != nil {
				return fmt.Errorf("read the certificate: %w", err)
			}
		}
		if (*cert == "") != (*key == "") {
			return errors.New("a certificate needs its key, and a key its certificate: give -cert and -key")
		}
		dirs, err := hub.Init(c.dir, o)
		if err != nil {
			return err
		}
		var first *hub.Node
		for _, dir := range dirs {
			n, err := hub.Open(dir)
			if err != nil {
				return err
			}
			if err := n.Audit(who(), "init "+n.Name()); err != nil {
				return err
			}
			if first == nil {
				first = n
			}
		}
		return c.made(first, dirs)
	}
}

// made says what comes next.
func (c *call) made(n *hub.Node, dirs []string) error {
	c.printf("The hub %s is made.\n\n", n.ID())
	dir := n.Dir()
	if len(dirs) > 1 {
		dir = standard
		c.printf("1. Copy each folder to its machine, as %s, and delete it here. Whoever has one of them has the hub.\n", dir)
		for i, d := range dirs {
			c.printf("     %s  to %s\n", d, n.Places()[i].Address)
		}
		c.printf("   %s stays here, where nobody else reads it: whoever has it can pretend to be the hub. The nodes do not need it.\n", filepath.Join(c.dir, "ca.key"))
		c.printf("   The machines reach each other at the port of -routes, boxes and operators reach all of them at that of -listen.\n\n")
		c.printf("2. Have each machine run its node:\n\n")
	} else {
		c.printf("1. Keep a copy of %s where nobody else reads it: whoever has it has the hub.\n\n", dir)
		c.printf("2. Have the machine run it:\n\n")
	}
	c.printf("     hub unit -dir %s > /etc/systemd/system/hub.service\n     systemctl daemon-reload\n     systemctl enable --now hub\n\n", dir)
	lines, err := boxLines(n)
	if err != nil {
		return err
	}
	c.printf("3. At each box, with a name of its own:\n\n%s\n", indent(lines))
	c.printf("   `show fleet key` at the box prints its key file, which `hub box add` takes.\n\n")
	c.printf("4. An issuer signs license keys of the hub's pools for the system %s; `hub license add` takes them.\n", n.ID())
	return nil
}

// standard is the folder of a node, unless -dir says otherwise.
const standard = "/var/lib/hub"

// unit is the service of systemd. It has of root what the port 443 needs.
func unit(dir string) string {
	return `[Unit]
Description=Hub of a fleet of Viaduct boxes
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/hub run -dir ` + dir + `
Restart=always
RestartSec=2
TimeoutStopSec=60
LimitNOFILE=65536
UMask=0077
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ReadWritePaths=` + dir + `

[Install]
WantedBy=multi-user.target
`
}

// boxLines are what a box is configured with.
func boxLines(n *hub.Node) (string, error) {
	pin, err := n.Pin()
	if err != nil {
		return "", err
	}
	text := "fleet\n  name NAME\n"
	for _, p := range n.Places() {
		_, port, _ := net.SplitHostPort(p.Listen)
		if text += "  hub " + p.Address; port != "443" {
			text += " " + port
		}
		text += "\n"
	}
	return text + "  pin " + pin + "\n", nil
}

func showUnit(*flag.FlagSet) func(*call) error {
	return func(c *call) error {
		n, err := hub.Open(c.dir)
		if err == nil {
			c.printf("%s", unit(n.Dir()))
		}
		return err
	}
}

func indent(text string) string {
	return "     " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n     ") + "\n"
}

func show(flags *flag.FlagSet) func(*call) error {
	return func(c *call) error {
		n, err := hub.Open(c.dir)
		if err != nil {
			return err
		}
		pin, err := n.Pin()
		if err != nil {
			return err
		}
		lines, err := boxLines(n)
		if err != nil {
			return err
		}
		c.printf("hub %s\n", n.ID())
		c.printf("pin %s\n", pin)
		for _, p := range n.Places() {
			this := ""
			if p.Name == n.Name() {
				this = ", this one"
			}
			c.printf("node %s at %s%s\n", p.Name, p.URL(), this)
		}
		c.printf("\nFor a box:\n\n%s", indent(lines))
		return nil
	}
}
