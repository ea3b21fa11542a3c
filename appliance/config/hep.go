package config

// HEP is `hep-client`: the SIP messages of the box are copied to a capture server such as Homer.
type HEP struct {
	Remote  HEPRemote
	TLS     Ref[Config, TLSProfile] // use profile tls
	Node    HEPNode
	AuthKey Secret // auth-key; "": none
}

// HEPRemote is `remote HOST [PORT] [TRANSPORT]`.
type HEPRemote struct {
	Host      string // name or address; "": nothing is sent
	Port      uint16 // default 9060
	Transport string // "udp" (default), "tcp" or "tls"
}

func (r *HEPRemote) SetDefaults() { r.Port, r.Transport = 9060, "udp" }

// HEPNode is `node ID [NAME]`: as what the server knows the box.
type HEPNode struct {
	ID   int
	Name string // "": the host name of the box
}

func (n *HEPNode) SetDefaults() { n.ID = 1 }

func (h *HEP) SetDefaults() {
	h.Remote.SetDefaults()
	h.Node.SetDefaults()
}
