// Package keyring is what people do with the certificates and keys of the box: they make, import, list and erase them.
//
// It owns what a name may be given to, so that no profile loses the certificate that belongs to its key, and the answers about it. It does not own the
// files (package store), what certificates are (pki), the internal CA (internalca), certificates by ACME (acme), or whom peers are trusted by (issuers).
// It has no goroutines; several may use a Ring.
package keyring

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/chains"
	"viaduct/appliance/config"
	"viaduct/appliance/internalca"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// Options are what a Ring works with.
type Options struct {
	Store      *store.Store
	Internal   *internalca.Authority
	Running    func() *config.Config
	Hostname   func(cfg *config.Config) string
	Interfaces func() []status.IPInterface // with their addresses, which certificates for the LAN hold
	Changed    func()                      // what is kept has changed: whoever uses it reads it again
}

// Ring is the certificates and keys of the box.
type Ring struct{ o Options }

// New makes a Ring.
func New(o Options) *Ring { return &Ring{o} }

func certificateName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyCertificate) + "/" + name)
}

func keyName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyPrivate) + "/" + name)
}

// ImportCertificate stores a chain and has the gateways use it at once.
func (r *Ring) ImportCertificate(name string, pem []byte) (string, error) {
	if err := r.rootFits(name, pem); err != nil {
		return "", err
	}
	chain, err := r.o.Store.ImportCertificate(name, pem)
	if err != nil {
		return "", err
	}
	r.o.Changed()
	return r.doubted(fmt.Sprintf("certificate %s: %s", name, chainLine(chain)), certificateName(name)), nil
}

// chainLine describes a chain.
func chainLine(chain []*x509.Certificate) string {
	text := fmt.Sprintf("%s, valid until %s", pki.Describe(chain[0]).Subject, chain[0].NotAfter.UTC().Format(time.DateOnly))
	if len(chain) > 1 {
		text += fmt.Sprintf(", and %d more of its chain", len(chain)-1)
	}
	return text
}

// ImportPrivateKey stores a private key, never in its encrypted form: the box must start without a pass phrase. A key that does
// not belong to the certificate beside which a profile uses it is refused: TLS would stop at once.
func (r *Ring) ImportPrivateKey(name string, pem []byte, passphrase string) (string, error) {
	if err := r.fits(name, pem, passphrase); err != nil {
		return "", err
	}
	key, err := r.o.Store.ImportPrivateKey(name, pem, passphrase)
	if err != nil {
		return "", err
	}
	r.o.Changed()
	text := fmt.Sprintf("private key %s: %s", name, pki.KeyType(key.Public()))
	return r.doubted(text, keyName(name)), nil
}

// doubted adds to an answer what speaks against what was imported.
func (r *Ring) doubted(text string, what config.PKIName) string {
	for _, d := range check.Imported(r.o.Running(), r.o.Store, what, time.Now()) {
		text += "\n% warning: " + d
	}
	return text
}

// ExportCertificate returns the PEM text that was imported.
func (r *Ring) ExportCertificate(name string) ([]byte, error) {
	return r.o.Store.CertificateText(name)
}

// DeletePKI removes a certificate or key.
func (r *Ring) DeletePKI(kind status.KeyKind, name string) error {
	defer r.o.Changed()
	return r.o.Store.RemoveKey(kind, name)
}

// PKI lists the key store.
func (r *Ring) PKI() []status.Key {
	var list []status.Key
	for _, k := range r.o.Store.Keys() {
		item := status.Key{Kind: k.Kind, Name: k.Name}
		if chain, err := r.o.Store.Certificates(k.Name); k.Kind == status.KeyCertificate && err == nil {
			item = certificateItem(k.Kind, k.Name, chain[0])
			item.Chain, item.Links = len(chain), linksOf(chain)
		}
		if key, err := r.o.Store.PrivateKey(k.Name); k.Kind == status.KeyPrivate && err == nil {
			item.KeyType = pki.KeyType(key.Public())
		}
		list = append(list, item)
	}
	for _, c := range pki.BuiltIn() {
		list = append(list, certificateItem(status.KeyTrusted, c.Subject.CommonName, c))
	}
	return list
}

func certificateItem(kind status.KeyKind, name string, c *x509.Certificate) status.Key {
	d := pki.Describe(c)
	return status.Key{Kind: kind, Name: name, KeyType: d.Key, Subject: d.Subject, Names: d.Names, Issuer: d.Issuer, NotAfter: d.NotAfter, Announced: pki.Announced(c), Chain: 1}
}

// linksOf describes the certificates of one item, from the first one to its issuers. What is no part of that chain comes last.
func linksOf(list []*x509.Certificate) (links []status.ChainLink) {
	chain := pki.Chain(list[0], list[1:])
	for _, c := range list {
		if !slices.ContainsFunc(chain, c.Equal) {
			chain = append(chain, c)
		}
	}
	for _, c := range chain {
		links = append(links, chains.LinkOf(c))
	}
	return links
}

// ImportPKCS12 stores a certificate with its chain and its key, both or neither. The key goes to the name that the profiles of the
// certificate have for it.
func (r *Ring) ImportPKCS12(name string, der []byte, passphrase string) (string, error) {
	if name == pki.InternalName {
		return "", errRootName
	}
	p, err := pki.ParsePKCS12(der, passphrase)
	if err != nil {
		return "", err
	}
	cfg := r.o.Running()
	into := pki.Name(check.KeyBeside(cfg, certificateName(name)))
	for _, what := range []config.PKIName{certificateName(name), keyName(into)} {
		if err := check.KeyForTeams(cfg, what, p.Key.Public()); err != nil {
			return "", err
		}
	}
	text, err := pki.KeyPEM(p.Key)
	if err != nil {
		return "", err
	}
	if err := r.keyFits(into, p.Key, certificateName(name)); err != nil {
		return "", err
	}
	if err := r.o.Store.InstallPair(name, into, pki.ChainPEM(p.Chain), text); err != nil {
		return "", err
	}
	r.o.Changed()
	answer := fmt.Sprintf("certificate %s: %s\nprivate key %s: %s", name, chainLine(p.Chain), into, pki.KeyType(p.Key.Public()))
	if n := len(p.Leftover); n > 0 {
		answer += fmt.Sprintf("\nleft out, as a root or no part of the chain: %s", pki.Describe(p.Leftover[0]).Subject)
		if n > 1 {
			answer += fmt.Sprintf(", and %d more", n-1)
		}
	}
	return r.doubted(answer, certificateName(name)), nil
}
