package config

import "time"

// Fleet is `fleet`: the hub that the box belongs to, and what it gives it. Without it nothing is connected.
type Fleet struct {
	Enabled bool        // no shutdown; default true
	Name    string      // name NAME: what the hub knows the box by, see fleet.CheckName; "": the fleet is not complete
	Hubs    []*HubNode  // hub HOST [PORT]: 1 to 3 nodes of the one hub, tried in a random order
	CA      PKIName     // ca pki:certificate/NAME: the issuer of the hub's certificate; "": Pin
	Pin     string      // pin SHA256: the SHA-256 of the public key in the hub's certificate (or in its issuer's), 64 hex digits in small letters; "": CA
	Proxy   HTTPProxy   // zero: none
	Leases  bool        // lease licenses: the box asks the hub's pools for what its own licenses do not allow
	Records FleetRecord // call-records [masked]: the records of calls go to the hub

	SSH         bool          // remote-management ssh: operators of the hub may connect to the box's SSH
	HTTPS       bool          // remote-management https: and to its web page
	IdleTimeout time.Duration // remote-management idle-timeout SECONDS: whole seconds, 60 to 86400, default 900
}

// SetDefaults sets what no configuration says.
func (f *Fleet) SetDefaults() { f.Enabled, f.IdleTimeout = true, 900*seconds }

// Complete reports whether the box can connect: it has a name, a hub, and a way to know the hub.
func (f *Fleet) Complete() bool {
	return f.Name != "" && len(f.Hubs) > 0 && (f.CA != "" || f.Pin != "")
}

// MaxHubs is how many nodes a hub may have.
const MaxHubs = 3

// HubNode is `hub HOST [PORT]`: where a node of the hub is reached, over WebSocket in TLS.
type HubNode struct {
	Host string // name or address
	Port uint16 // default 443
}

// SetDefaults sets the port that no configuration says.
func (h *HubNode) SetDefaults() { h.Port = 443 }

// FleetRecord is `call-records [masked]` of a fleet.
type FleetRecord struct {
	Sent   bool
	Masked bool // the numbers without their last digits
}

// SetDefaults sets what the line says by itself.
func (r *FleetRecord) SetDefaults() { r.Sent = true }
