package netcfg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// tableName is the table that is ours; no other is read or written. portChain begins the name of the chain of each port.
const (
	tableName = "viaduct"
	portChain = "from-"
)

// firewall replaces the whole table in one transaction when the kernel's is another one. Which one the kernel has says a
// fingerprint in the comment of its first rule, so that a new process finds the work of an old one.
func (j *job) firewall() {
	set := j.derive()
	rules := 0
	for _, c := range set {
		rules += len(c.rules)
	}
	var changed bool
	var err error
	if rules == 0 {
		changed, err = removeTable()
	} else {
		sum := sha256.Sum256([]byte(set.String()))
		changed, err = writeTable(set, "viaduct "+hex.EncodeToString(sum[:]))
	}
	j.Net.rules = set.String()
	switch {
	case unsupported(err) && rules == 0:
	case unsupported(err):
		j.warn("the firewall is not active, this kernel has no nftables or lacks a part of it: %v", err)
	case err != nil:
		j.fail("firewall: %w", err)
	case changed:
		j.change("firewall: %d rules", rules)
	}
}

// unsupported are the kernel's ways to say that it has no such subsystem, chain type or expression.
func unsupported(err error) bool {
	for _, e := range []error{unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.ENOENT, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// writeTable makes the table what set says and reports whether it was another one before. The connection opens a socket in the
// namespace of the calling thread for each transaction.
func writeTable(set ruleset, fingerprint string) (changed bool, err error) {
	conn, err := nftables.New()
	if err != nil {
		return false, err
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	if present(conn, table, set) == fingerprint {
		return false, nil
	}
	// Adding the table first makes its removal succeed when it is not there.
	conn.AddTable(table)
	conn.DelTable(table)
	conn.AddTable(table)
	accepting := nftables.ChainPolicyAccept
	for _, c := range set {
		n := &nftables.Chain{Name: c.name, Table: table}
		if c.hook != nil {
			n.Type, n.Hooknum, n.Priority, n.Policy = c.kind, c.hook, c.priority, &accepting
		}
		conn.AddChain(n)
	}
	comment := userdata.AppendString(nil, userdata.TypeComment, fingerprint)
	for _, c := range set {
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

// removeTable takes the table away when there are no ports, and reports whether it was there.
func removeTable() (removed bool, err error) {
	conn, err := nftables.New()
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

// recall takes over the devices of an earlier process of ours: those that its table has a chain for. A configuration that does not
// name them any more takes them down, as if this process had configured them.
func (n *Net) recall() {
	conn, err := nftables.New()
	if err != nil {
		return // said by firewall
	}
	chains, _ := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	for _, c := range chains {
		if device, ok := strings.CutPrefix(c.Name, portChain); ok && c.Table.Name == tableName && n.owned[device] == nil {
			n.owned[device] = &owned{}
		}
	}
}

// present returns the fingerprint of the table in the kernel, "" when there is none, a rule of it is gone, or it cannot be read.
func present(conn *nftables.Conn, table *nftables.Table, set ruleset) (fingerprint string) {
	for _, c := range set {
		rules, err := conn.GetRules(table, &nftables.Chain{Name: c.name, Table: table})
		if err != nil || len(rules) != len(c.rules) {
			return ""
		}
		if len(rules) > 0 && fingerprint == "" {
			fingerprint, _ = userdata.GetString(rules[0].UserData, userdata.TypeComment)
		}
	}
	return fingerprint
}
