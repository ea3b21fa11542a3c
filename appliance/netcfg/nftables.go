package netcfg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"viaduct/appliance/health"
)

// tableName is our table; we read and write no other. portChain begins the name of the chain of each port. Packets that no rule accepts
// end in droppedChain.
const (
	tableName    = "viaduct"
	portChain    = "from-"
	droppedChain = "dropped"
)

// ErrOpen says that the rules of the firewall do not stand. Ports that no earlier rules guard stay down.
var ErrOpen = errors.New("the firewall cannot be set")

// firewall replaces the whole table in one transaction when the kernel's table differs. A fingerprint in the comment of its first rule
// identifies the table, so that a new process finds the work of an old one.
func (j *job) firewall() {
	names := j.peerAddresses() // before the rules: the next look sees later changes
	w := j.build()
	text := w.set.String()
	open := j.withoutLists()
	j.permit(both(j.unfiltered.Load(), open)) // a new list holds before the rules do, a list that goes until they have gone
	var changed bool
	var err error
	if len(w.set) == 0 {
		changed, err = removeTable()
	} else {
		changed, err = j.write(w.set, w.set.fingerprint())
	}
	switch {
	case err == nil:
	case len(w.set) > 0:
		j.unguarded(err)
		return
	case !unsupported(err):
		j.fail("firewall: %w", err)
	}
	j.permit(open)
	j.Net.names = names
	j.Net.rules, j.Net.stands, j.Net.retry, j.Net.guarded = text, w.set, time.Time{}, map[string]bool{}
	for _, p := range j.ports {
		j.guarded[p.device] = !p.unconfigured
	}
	j.o.Health.Clear(health.FirewallNotWritten, "")
	if changed {
		j.counts.begin(w.peers, j.o.Health)
		j.change("firewall: %d rules", w.set.size())
	}
}

// retryFirewall is the time between attempts to write rules.
const retryFirewall = 10 * time.Second

// unguarded keeps ports down that no rules cover. Ports that the last written table covers stay up: an old rule is better than no call.
func (j *job) unguarded(err error) {
	if !j.stands.stand() {
		j.Net.guarded = nil
	}
	var down []string
	for _, p := range j.ports {
		if !p.unconfigured && p.up && !j.Net.guarded[p.device] {
			p.up = false
			down = append(down, p.device)
		}
	}
	text := fmt.Sprintf("the firewall cannot be set: %v", err)
	if len(down) > 0 {
		text += "; ports stay down: " + strings.Join(down, ", ")
	} else {
		text += "; the rules before it stay in force"
	}
	j.Net.rules, j.Net.retry = "", time.Now().Add(retryFirewall)
	j.o.Health.Set(health.FirewallNotWritten, health.Args{"why": text})
	j.errs = append(j.errs, fmt.Errorf("%w: %v", ErrOpen, err))
}

// unsupported lists the errors of a kernel without nftables.
func unsupported(err error) bool {
	for _, e := range []error{unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// netlinkBuffer holds the messages of a transaction on their way to the kernel, and its answers: one for each rule.
const netlinkBuffer = 32 << 20

// dial makes a connection to nftables. It opens a socket in the namespace of the calling thread for each transaction.
func dial() (*nftables.Conn, error) {
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(netlinkBuffer), c.SetWriteBuffer(netlinkBuffer))
	}))
}

// writeTable writes the table and reports whether it was a different one before.
func writeTable(rules ruleset, fingerprint string) (changed bool, err error) {
	conn, err := dial()
	if err != nil {
		return false, err
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	sets := rules.sets(table)
	if present(conn, table, rules, sets) == fingerprint {
		return false, nil
	}
	// Adding the table first makes its removal succeed when it is not there.
	conn.AddTable(table)
	conn.DelTable(table)
	conn.AddTable(table)
	accepting := nftables.ChainPolicyAccept
	for _, c := range rules {
		n := &nftables.Chain{Name: c.name, Table: table}
		if c.hook != nil {
			n.Type, n.Hooknum, n.Priority, n.Policy = c.kind, c.hook, c.priority, &accepting
		}
		conn.AddChain(n)
	}
	for _, s := range sets {
		if err := s.write(conn); err != nil {
			return false, fmt.Errorf("write set %s: %w", s.kernel.Name, err)
		}
	}
	comment := userdata.AppendString(nil, userdata.TypeComment, fingerprint)
	for _, c := range rules {
		for _, r := range c.rules {
			conn.AddRule(&nftables.Rule{Table: table, Chain: &nftables.Chain{Name: c.name, Table: table}, Exprs: r.exprs(), UserData: comment})
			comment = nil
		}
	}
	if err := conn.Flush(); err != nil {
		return false, fmt.Errorf("write table %s: %w", tableName, err)
	}
	return true, nil
}

// fingerprint identifies all rules.
func (r ruleset) fingerprint() string {
	sum := sha256.Sum256([]byte(r.String()))
	return "viaduct " + hex.EncodeToString(sum[:])
}

// stand reports whether the kernel has these rules.
func (r ruleset) stand() bool {
	if len(r) == 0 {
		return false
	}
	conn, err := dial()
	if err != nil {
		return false
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	return present(conn, table, r, r.sets(table)) == r.fingerprint()
}

// removeTable removes the table when there are no ports, and reports whether it was there.
func removeTable() (removed bool, err error) {
	conn, err := dial()
	if err != nil {
		return false, err
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("list tables: %w", err)
	}
	for _, t := range tables {
		if t.Name == tableName {
			conn.DelTable(t)
			if err := conn.Flush(); err != nil {
				return false, fmt.Errorf("remove table %s: %w", tableName, err)
			}
			return true, nil
		}
	}
	return false, nil
}

// recall takes over the devices of an earlier sbcd, for which its table has chains. When the configuration does not name them any more,
// they are taken down as if this process had configured them.
func (n *Net) recall() {
	conn, err := dial()
	if err != nil {
		return // firewall reports it
	}
	chains, _ := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	for _, c := range chains {
		if device, ok := strings.CutPrefix(c.Name, portChain); ok && c.Table.Name == tableName && n.owned[device] == nil {
			n.owned[device] = &owned{}
		}
	}
}

// present returns the fingerprint of the table in the kernel, "" when there is none, parts of it are gone, or it cannot be read.
func present(conn *nftables.Conn, table *nftables.Table, rules ruleset, sets []*set) (fingerprint string) {
	for _, c := range rules {
		have, err := conn.GetRules(table, &nftables.Chain{Name: c.name, Table: table})
		if err != nil || len(have) != len(c.rules) {
			return ""
		}
		if len(have) > 0 && fingerprint == "" {
			fingerprint, _ = userdata.GetString(have[0].UserData, userdata.TypeComment)
		}
	}
	for _, s := range sets {
		if elements, err := conn.GetSetElements(s.kernel); err != nil || len(elements) != len(s.elements) {
			return ""
		}
	}
	return fingerprint
}
