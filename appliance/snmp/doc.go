// Package snmp lets management stations read the state of the box: SNMP v2c and v3, read-only, and traps.
//
// It owns what the protocol knows (communities, users, the engine with its boots and its time, counters of refusals) and the tree of
// objects: parts of SNMPv2-MIB, IF-MIB and HOST-RESOURCES-MIB, and VIADUCT-SBC-MIB (docs/VIADUCT-SBC-MIB.txt). It does not own the state
// that it shows: that is package status, taken at most once a second. Nor does it own the firewall, which decides who reaches the port.
//
// gosnmp reads and writes messages. Whether a message of v3 may be believed is decided here, in the order of RFC 3414 3.2: gosnmp is
// made for stations and does not say why it refuses one.
//
// Goroutines, all waited for by Run: its caller's handles messages one after the other, one reads each socket, one reads the events of
// the alarms, one sends traps.
package snmp
