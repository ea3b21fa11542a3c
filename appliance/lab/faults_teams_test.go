package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// The name server.
var nameFaults = []fault{
	{
		name: "silent", plant: func(r *running) { r.DNS.SetSilent(true) },
		step: "name-servers 192.168.1.53", problem: "does not answer", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "name-servers-silent", tells: []string{"192.168.1.53 does not answer"},
		cure: func(r *running) { r.DNS.SetSilent(false) },
	},
	{
		name: "wrong", bites: noneFromPBX,
		plant: func(r *running) {
			for _, site := range sites {
				r.DNS.Remove(site.name)
			}
		},
		step: "name-servers 192.168.1.53", problem: "there is no sip.pstnhub.microsoft.com", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "destinations-lost", tells: []string{"no such name", "sip3.pstnhub.microsoft.com"},
		cure: namesAreRight,
	},
	{
		name: "lying", bites: noneFromPBX,
		plant: func(r *running) {
			for _, site := range sites {
				r.DNS.Set(site.name, StrangerAddr)
			}
		},
		step: "name-servers 192.168.1.53", problem: StrangerAddr.String() + " for sip.pstnhub.microsoft.com", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "destinations-lost", tells: []string{StrangerAddr.String()},
		cure: namesAreRight,
	},
}

func namesAreRight(r *running) {
	for _, site := range sites {
		r.DNS.Set(site.name, site.addr)
	}
}

// shows has the box show a certificate, with its key and its chain.
func (r *running) shows(name string, key crypto.Signer, leaf *x509.Certificate) {
	r.t.Helper()
	text, err := KeyPEM(key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.paste("import pki:certificate/"+name, string(CertificatePEM(leaf.Raw)), "", "import pki:private-key/"+name+".key", string(text), "",
		"configure", "profile tls pf_tls_default", "private-key pki:private-key/"+name+".key", "own-certificate 1 pki:certificate/"+name, "end")
}

// publicCertificate is one that a public authority issues for the box now, for its RSA key.
func (r *running) publicCertificate() *x509.Certificate {
	r.t.Helper()
	next, err := r.PKI.IssueBox(r.PKI.Box.PrivateKey.(crypto.Signer), SBCName)
	if err != nil {
		r.t.Fatal(err)
	}
	return next.Leaf
}

// rightCertificate follows the words.
func rightCertificate(r *running) {
	r.shows("GOOD", r.PKI.Box.PrivateKey.(crypto.Signer), r.publicCertificate())
}

// What the box shows Teams.
var certificateFaults = []fault{
	{
		name: "expired", bites: noneFromPBX,
		plant: func(r *running) {
			old, err := r.PKI.boxIssuer.issueUntil(r.PKI.Box.PrivateKey.(crypto.Signer), time.Now().AddDate(0, 0, -180), time.Now().AddDate(0, 0, -5), x509.ExtKeyUsageServerAuth, SBCName)
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("OLD", r.PKI.Box.PrivateKey.(crypto.Signer), old.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "has expired", advice: []string{"import pki:certificate/OLD", SBCName},
		alarm: "certificate-expired", tells: []string{"OLD has expired"},
		cure: rightCertificate,
	},
	{
		name: "wrong name", bites: noneFromPBX,
		plant: func(r *running) {
			other, err := r.PKI.IssueBox(r.PKI.Box.PrivateKey.(crypto.Signer), "sbc.andere.de")
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("OTHER", r.PKI.Box.PrivateKey.(crypto.Signer), other.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "sbc.andere.de", advice: []string{"import pki:certificate/OTHER", SBCName},
		alarm: "certificate-unfit", tells: []string{"is for sbc.andere.de, not for " + SBCName},
		cure: rightCertificate,
	},
	{
		name: "EC key", bites: noneFromTeams, // as a client the box may show any
		plant: func(r *running) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				r.t.Fatal(err)
			}
			ec, err := r.PKI.IssueBox(key, SBCName)
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("ELLIPTIC", key, ec.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "RSA", advice: []string{"RSA key", "import pki:certificate/ELLIPTIC"},
		alarm: "certificate-unfit", tells: []string{"Microsoft Teams takes RSA only"},
		cure: rightCertificate,
	},
	{
		name: "chain incomplete", bites: noneFromPBX,
		plant: func(r *running) { r.paste("configure", "profile tls pf_tls_default", "no own-certificate 2", "end") },
		step:  "certificate profile tls pf_tls_default", problem: "the chain is incomplete", advice: []string{"with its chain, leaf first"},
		alarm: "certificate-unfit", tells: []string{"Lab Public Issuer"},
		cure: func(r *running) { // with its chain, leaf first
			next := r.publicCertificate()
			r.paste("import pki:certificate/GOOD", string(CertificatePEM(next.Raw))+string(r.PKI.BoxChainPEM()), "")
		},
	},
}

// Teams.
var hubFaults = []fault{
	{
		name: "issuer unknown", bites: noneFromPBX,
		plant: func(r *running) {
			r.paste("configure", "profile tls pf_tls_default", "no trusted-certificate pki:certificate/TEAMSROOT", "end")
		},
		step: "tls sip.pstnhub.microsoft.com", problem: "Lab Root For Teams", advice: []string{"fingerprint"},
		alarm: "unknown-issuer", tells: []string{"pki trust add"}, lines: true,
	},
	{
		name: "one hub down", plant: func(r *running) { r.Teams.Hubs[0].Stop() },
		step: "tcp sip.pstnhub.microsoft.com", problem: "refused", advice: []string{"Microsoft's"},
		alarm: "peer-silent", tells: []string{"sip.pstnhub.microsoft.com"},
		cure: hubsAreUp,
	},
	{
		name: "all hubs down", bites: noneFromPBX,
		plant: func(r *running) {
			for _, h := range r.Teams.Hubs {
				h.Stop()
			}
		},
		step: "reach eth01", problem: "no hub of Teams answers", advice: []string{"TCP 5061", "52.112.0.0/14"},
		alarm: "destinations-lost", tells: []string{"none of the 3 destinations"},
		cure: hubsAreUp,
	},
	{
		name: "the hubs answer 403", bites: noneFromPBX, plant: func(r *running) { r.Teams.Pair("sbc.andere.de") },
		step: "options sip.pstnhub.microsoft.com", problem: "403", advice: []string{"New-CsOnlinePSTNGateway -Fqdn " + SBCName},
		alarm: "peer-refuses", tells: []string{"403", "admin center"},
		cure: func(r *running) { r.Teams.Pair(SBCName) },
	},
}

func hubsAreUp(r *running) {
	for _, h := range r.Teams.Hubs {
		if err := h.Start(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The way to Teams.
var networkFaults = []fault{
	{
		name: "gateway gone", bites: noneFromPBX, plant: func(r *running) { r.router(false) },
		step: "router eth01", problem: "does not answer, not even to ARP", advice: []string{"route 0.0.0.0/0 gateway"},
		alarm: "gateway-silent", tells: []string{GatewayAddr.String() + " at port eth01 does not answer ARP"},
		cure: func(r *running) { r.router(true) },
	},
	{
		name: "MTU black hole", bites: noneFromPBX,
		plant: func(r *running) {
			// The kernel would hand segments of 64 KiB from one side of a veth to the other.
			if err := errors.Join(r.segments(r.Box, "eth01"), r.segments(r.WAN, "wan0")); err != nil {
				r.t.Fatal(err)
			}
			r.nft(r.WAN, "add table ip hole", "add chain ip hole in { type filter hook prerouting priority -300; }", "add chain ip hole out { type filter hook postrouting priority 300; }",
				"add rule ip hole in iifname wan0 ip length > 1400 drop", "add rule ip hole out oifname wan0 ip length > 1400 drop")
			for _, h := range r.Teams.Hubs { // what is small comes through on connections that are there already
				h.Stop()
			}
			hubsAreUp(r)
		},
		step: "mtu eth01", problem: "packets of more than 1400 octets vanish", advice: []string{"fragmentation needed"},
		alarm: "path-mtu", tells: []string{"mtu", "large ones are lost"}, lines: true,
		after: func(r *running) { r.nft(r.WAN, "delete table ip hole") },
	},
}

// router has the provider's router answer, or not.
func (r *running) router(there bool) {
	r.t.Helper()
	if err := r.WAN.edit(func(h *netlink.Handle) error {
		if there {
			return addresses(h, "wan0", 28, GatewayAddr)
		}
		link, err := h.LinkByName("wan0")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(GatewayAddr.String() + "/28")
		if err != nil {
			return err
		}
		return h.AddrDel(link, a)
	}); err != nil {
		r.t.Fatal(err)
	}
}

// segments has a device send what TCP makes, in packets.
func (r *running) segments(n *Namespace, device string) error {
	return n.edit(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetGSOMaxSegs(link, 1), h.LinkSetGROMaxSize(link, 1500))
	})
}

// nft changes the packet filter of a network.
func (r *running) nft(n *Namespace, lines ...string) {
	r.t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := n.Start(cmd)
	if err == nil {
		err = p.Wait()
	}
	if err != nil {
		r.t.Fatalf("nft: %v\n%s", err, &out)
	}
}
