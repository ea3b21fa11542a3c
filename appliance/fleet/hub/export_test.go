package hub

import "github.com/nats-io/nats.go"

// AdminKeyForTest has a connection use the admin's key.
func (n *Node) AdminKeyForTest() nats.Option { return Nkey(n.adminKey()) }

// StewardKeyForTest has a connection use the key of a steward.
func (n *Node) StewardKeyForTest(customer string) nats.Option { return Nkey(n.stewardKey(customer)) }
