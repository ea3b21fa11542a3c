package keyring

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/internalca"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// What the box makes: keys, requests, certificates that it signs in with, and those of its internal CA.

// GenerateKey makes an RSA key. A key of that name is replaced only if the administrator says so.
func (r *Ring) GenerateKey(name string, bits int, replace bool) (string, error) {
	if name == pki.InternalName {
		return "", errRootName
	}
	if _, err := r.o.Store.PrivateKey(name); !errors.Is(err, fs.ErrNotExist) && !replace {
		return "", r.taken(name)
	}
	key, err := pki.NewKey(bits)
	if err != nil {
		return "", err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return "", err
	}
	if replace {
		_, err = r.o.Store.ImportPrivateKey(name, text, "")
	} else if _, err = r.o.Store.AddPrivateKey(name, text); errors.Is(err, fs.ErrExist) {
		return "", r.taken(name) // meanwhile, in another session
	}
	if err != nil {
		return "", err
	}
	r.o.Changed()
	return fmt.Sprintf("private key %s: %s; `generate pki:certificate-request/%s` prints the request for its certificate", name, pki.KeyType(key.Public()), name), nil
}

// taken says what to do instead of replacing a key.
func (r *Ring) taken(name string) error {
	if users := r.usersOf(keyName(name)); len(users) > 0 {
		return fmt.Errorf("%s is in use in %s: give the new key another name; with replace, TLS fails there until the certificate for the new key is imported", name, strings.Join(users, ", "))
	}
	return errors.New("there is a key of this name: give the new one another name, or add replace")
}

// usersOf lists the profiles that name a certificate or a key.
func (r *Ring) usersOf(what config.PKIName) (list []string) {
	for _, t := range r.o.Running().TLS {
		if t.PrivateKey == what {
			list = append(list, "profile tls "+t.Name)
		}
	}
	return list
}

// CertificateRequest returns a request in PEM that is signed with a key of the store.
func (r *Ring) CertificateRequest(name string, names []string) ([]byte, error) {
	key, err := r.o.Store.PrivateKey(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no private key %s: `generate pki:private-key/%s` makes one", name, name)
	}
	if err != nil {
		return nil, err
	}
	return pki.Request(key, names)
}

// GeneratePresenceCertificate makes a certificate with which the box signs in to Microsoft Entra, and its key, both at once.
func (r *Ring) GeneratePresenceCertificate(name string, bits, years int, replace bool) (string, []byte, error) {
	if name == pki.InternalName {
		return "", nil, errRootName
	}
	_, err := r.o.Store.Certificates(name)
	_, keyErr := r.o.Store.PrivateKey(name)
	if (!errors.Is(err, fs.ErrNotExist) || !errors.Is(keyErr, fs.ErrNotExist)) && !replace {
		return "", nil, errors.New("there is a certificate or a key of this name: make the new one under another name, upload it, and change the line `certificate`, so that no poll is refused; or add replace")
	}
	for _, what := range []config.PKIName{certificateName(name), keyName(name)} {
		for _, user := range check.KeyUsers(r.o.Running())[string(what)] {
			if !strings.HasPrefix(user, "presence-service ") {
				return "", nil, fmt.Errorf("%s uses %s: take another name", user, what)
			}
		}
	}
	key, err := pki.NewKey(bits)
	if err != nil {
		return "", nil, err
	}
	certificate, err := pki.SelfSignedClient(r.o.Hostname(r.o.Running())+" presence "+name, key, time.Now(), years)
	if err != nil {
		return "", nil, err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return "", nil, err
	}
	chain := []*x509.Certificate{certificate}
	if err := r.o.Store.InstallPair(name, name, pki.ChainPEM(chain), text); err != nil {
		return "", nil, err
	}
	r.o.Changed()
	return r.whatToUpload(name, certificate), pki.ChainPEM(chain), nil
}

// whatToUpload says what to do with a certificate that was made just now.
func (r *Ring) whatToUpload(name string, c *x509.Certificate) string {
	credentials := graph.Credentials{Certificate: c}
	lines := []string{
		fmt.Sprintf("certificate %s: valid until %s, thumbprint %s", name, c.NotAfter.UTC().Format(time.DateOnly), credentials.Thumbprint()),
		"Upload it in the Microsoft Entra admin center: App registrations, the application, Certificates & secrets, Certificates. The private key stays in the box.",
	}
	used := false
	for _, p := range r.o.Running().Presence {
		if p.Certificate != certificateName(name) && p.Name != name {
			continue
		}
		if p.Certificate != certificateName(name) {
			lines = append(lines, fmt.Sprintf("presence-service %s needs the line: certificate %s", p.Name, certificateName(name)))
		}
		used = true
		credentials.Tenant, credentials.Application, credentials.Cloud = p.Tenant, p.Application, p.Cloud
		if p.Tenant != "" && p.Application != "" {
			lines = append(lines, fmt.Sprintf("An administrator of the tenant consents at: %s", graph.ConsentLink(credentials)))
		}
	}
	if !used {
		lines = append(lines, fmt.Sprintf("A presence-service signs in with it by the line: certificate %s", certificateName(name)))
	}
	return strings.Join(lines, "\n")
}

// CreateInternalCA makes the root of the internal CA.
func (r *Ring) CreateInternalCA(name string, replace bool) (string, error) {
	if name == "" {
		name = r.o.Hostname(r.o.Running())
	}
	root, err := r.o.Internal.Create(name, replace)
	if err != nil {
		return "", err
	}
	r.o.Changed()
	d := pki.Describe(root)
	return fmt.Sprintf("internal CA %s, valid until %s, SHA-256 %s\n`show pki internal-ca` prints the root for phones and browsers; `generate pki:certificate/NAME internal-ca` issues a certificate",
		d.Subject, d.NotAfter.UTC().Format(time.DateOnly), d.SHA256), nil
}

// IssueInternal has the internal CA issue a certificate. The key goes to the name that the profiles of the certificate have for it.
func (r *Ring) IssueInternal(name string, names []string, replace bool) (string, error) {
	cfg := r.o.Running()
	into := pki.Name(check.KeyBeside(cfg, certificateName(name)))
	for _, what := range []config.PKIName{certificateName(name), keyName(into)} {
		if t := check.ShownToTeams(cfg, what); t != nil {
			return "", fmt.Errorf("profile tls %s shows %s to Microsoft Teams, which never accepts an internal CA: give the certificate another name, and make a profile for the LAN", t.Name, what)
		}
	}
	for _, p := range cfg.ACME {
		if certificate, key := p.Target(); certificate == certificateName(name) || key == keyName(into) {
			return "", fmt.Errorf("profile acme %s obtains the certificate of this name: give this one another name", p.Name)
		}
	}
	if chain, err := r.o.Store.Certificates(name); len(names) == 0 && err == nil && pki.Internal(chain[0]) {
		names = pki.NamesOf(chain[0])
	}
	if len(names) == 0 {
		names = lanNames(r.o.Hostname(cfg), r.o.Interfaces())
	}
	if len(names) == 0 {
		return "", errors.New("the box has no private address: say which names and addresses the certificate is for (names 192.168.1.2)")
	}
	c, err := r.o.Internal.Issue(internalca.Request{
		Certificate: name, Key: into, Names: names, Replace: replace,
		Fits: func(key crypto.Signer) error { return r.keyFits(into, key, certificateName(name)) },
	})
	if err != nil {
		return "", err
	}
	r.o.Changed()
	return fmt.Sprintf("certificate %s: %s, valid until %s, renewed by the box\nprivate key %s: %s", name, strings.Join(pki.Describe(c).Names, ", "), c.NotAfter.UTC().Format(time.DateOnly),
		into, pki.KeyType(c.PublicKey)), nil
}

// lanNames are the host name of a box, if it can stand in a certificate, and its private addresses; none without an address.
func lanNames(host string, interfaces []status.IPInterface) (names []string) {
	for _, i := range interfaces {
		for _, a := range i.Addresses {
			if text := a.Addr().String(); a.Addr().IsPrivate() && !slices.Contains(names, text) {
				names = append(names, text)
			}
		}
	}
	if len(names) > 0 && pki.DNSName(host) {
		names = append([]string{host}, names...)
	}
	return names
}

// InternalCA describes the internal CA.
func (r *Ring) InternalCA() status.InternalCA { return r.o.Internal.Status() }
