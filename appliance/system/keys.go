package system

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
	"viaduct/appliance/issuers"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// Keys that the box makes, and those that come with their certificate.

func certificateName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyCertificate) + "/" + name)
}

func keyName(name string) config.PKIName {
	return config.PKIName("pki:" + string(status.KeyPrivate) + "/" + name)
}

var errRootName = errors.New("this is the name of the internal CA, which `generate pki:internal-ca` makes: take another name")

// GenerateKey makes an RSA key. A key of that name is replaced only if the administrator says so.
func (s *System) GenerateKey(name string, bits int, replace bool) (string, error) {
	if name == pki.InternalName {
		return "", errRootName
	}
	if _, err := s.store.PrivateKey(name); !errors.Is(err, fs.ErrNotExist) && !replace {
		return "", s.taken(name)
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
		_, err = s.store.ImportPrivateKey(name, text, "")
	} else if _, err = s.store.AddPrivateKey(name, text); errors.Is(err, fs.ErrExist) {
		return "", s.taken(name) // meanwhile, in another session
	}
	if err != nil {
		return "", err
	}
	s.republish()
	return fmt.Sprintf("private key %s: %s; `generate pki:certificate-request/%s` prints the request for its certificate", name, pki.KeyType(key.Public()), name), nil
}

// taken says what to do instead of replacing a key.
func (s *System) taken(name string) error {
	if users := s.usersOf(keyName(name)); len(users) > 0 {
		return fmt.Errorf("%s is in use in %s: give the new key another name; with replace, TLS fails there until the certificate for the new key is imported", name, strings.Join(users, ", "))
	}
	return errors.New("there is a key of this name: give the new one another name, or add replace")
}

// usersOf lists the profiles that name a certificate or a key.
func (s *System) usersOf(what config.PKIName) (list []string) {
	for _, t := range s.Running().TLS {
		if t.PrivateKey == what {
			list = append(list, "profile tls "+t.Name)
		}
	}
	return list
}

// CertificateRequest returns a request in PEM that is signed with a key of the store.
func (s *System) CertificateRequest(name string, names []string) ([]byte, error) {
	key, err := s.store.PrivateKey(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no private key %s: `generate pki:private-key/%s` makes one", name, name)
	}
	if err != nil {
		return nil, err
	}
	return pki.Request(key, names)
}

// ImportPKCS12 stores a certificate with its chain and its key, both or neither. The key goes to the name that the profiles of the
// certificate have for it.
func (s *System) ImportPKCS12(name string, der []byte, passphrase string) (string, error) {
	if name == pki.InternalName {
		return "", errRootName
	}
	p, err := pki.ParsePKCS12(der, passphrase)
	if err != nil {
		return "", err
	}
	cfg := s.Running()
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
	if err := s.keyFits(into, p.Key, certificateName(name)); err != nil {
		return "", err
	}
	if err := s.store.InstallPair(name, into, pki.ChainPEM(p.Chain), text); err != nil {
		return "", err
	}
	s.republish()
	answer := fmt.Sprintf("certificate %s: %s\nprivate key %s: %s", name, chainLine(p.Chain), into, pki.KeyType(p.Key.Public()))
	if n := len(p.Leftover); n > 0 {
		answer += fmt.Sprintf("\nleft out, as a root or no part of the chain: %s", pki.Describe(p.Leftover[0]).Subject)
		if n > 1 {
			answer += fmt.Sprintf(", and %d more", n-1)
		}
	}
	return s.doubted(answer, certificateName(name)), nil
}

// GeneratePresenceCertificate makes a certificate with which the box signs in to Microsoft Entra, and its key, both at once.
func (s *System) GeneratePresenceCertificate(name string, bits, years int, replace bool) (string, []byte, error) {
	if name == pki.InternalName {
		return "", nil, errRootName
	}
	_, err := s.store.Certificates(name)
	_, keyErr := s.store.PrivateKey(name)
	if (!errors.Is(err, fs.ErrNotExist) || !errors.Is(keyErr, fs.ErrNotExist)) && !replace {
		return "", nil, errors.New("there is a certificate or a key of this name: make the new one under another name, upload it, and change the line `certificate`, so that no poll is refused; or add replace")
	}
	for _, what := range []config.PKIName{certificateName(name), keyName(name)} {
		for _, user := range check.KeyUsers(s.Running())[string(what)] {
			if !strings.HasPrefix(user, "presence-service ") {
				return "", nil, fmt.Errorf("%s uses %s: take another name", user, what)
			}
		}
	}
	key, err := pki.NewKey(bits)
	if err != nil {
		return "", nil, err
	}
	certificate, err := pki.SelfSignedClient(lang.Hostname(s.Running(), s.Serial)+" presence "+name, key, time.Now(), years)
	if err != nil {
		return "", nil, err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return "", nil, err
	}
	chain := []*x509.Certificate{certificate}
	if err := s.store.InstallPair(name, name, pki.ChainPEM(chain), text); err != nil {
		return "", nil, err
	}
	s.republish()
	return s.whatToUpload(name, certificate), pki.ChainPEM(chain), nil
}

// whatToUpload says what to do with a certificate that was made just now.
func (s *System) whatToUpload(name string, c *x509.Certificate) string {
	credentials := graph.Credentials{Certificate: c}
	lines := []string{
		fmt.Sprintf("certificate %s: valid until %s, thumbprint %s", name, c.NotAfter.UTC().Format(time.DateOnly), credentials.Thumbprint()),
		"Upload it in the Microsoft Entra admin center: App registrations, the application, Certificates & secrets, Certificates. The private key stays in the box.",
	}
	used := false
	for _, p := range s.Running().Presence {
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
func (s *System) CreateInternalCA(name string, replace bool) (string, error) {
	if name == "" {
		name = lang.Hostname(s.Running(), s.Serial)
	}
	root, err := s.internal.Create(name, replace)
	if err != nil {
		return "", err
	}
	s.republish()
	d := pki.Describe(root)
	return fmt.Sprintf("internal CA %s, valid until %s, SHA-256 %s\n`show pki internal-ca` prints the root for phones and browsers; `generate pki:certificate/NAME internal-ca` issues a certificate",
		d.Subject, d.NotAfter.UTC().Format(time.DateOnly), d.SHA256), nil
}

// IssueInternal has the internal CA issue a certificate. The key goes to the name that the profiles of the certificate have for it.
func (s *System) IssueInternal(name string, names []string, replace bool) (string, error) {
	cfg := s.Running()
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
	if chain, err := s.store.Certificates(name); len(names) == 0 && err == nil && pki.Internal(chain[0]) {
		names = pki.NamesOf(chain[0])
	}
	if len(names) == 0 {
		names = lanNames(lang.Hostname(cfg, s.Serial), s.IPInterfaces())
	}
	if len(names) == 0 {
		return "", errors.New("the box has no private address: say which names and addresses the certificate is for (names 192.168.1.2)")
	}
	c, err := s.internal.Issue(internalca.Request{
		Certificate: name, Key: into, Names: names, Replace: replace,
		Fits: func(key crypto.Signer) error { return s.keyFits(into, key, certificateName(name)) },
	})
	if err != nil {
		return "", err
	}
	s.republish()
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
func (s *System) InternalCA() status.InternalCA { return s.internal.Status() }

// rootFits checks a certificate that is about to be stored under the name of the root of the internal CA: with another one, nothing would be
// renewed any more.
func (s *System) rootFits(name string, text []byte) error {
	if name != pki.InternalName {
		return nil
	}
	chain, err := pki.ParseCertificates(text)
	if err != nil {
		return nil // the import itself reports it
	}
	if !pki.IsInternalRoot(chain[0]) {
		return fmt.Errorf("it is not the root of an internal CA: %w", errRootName)
	}
	if key, err := s.store.PrivateKey(name); err == nil && pki.Belongs(chain[0], key) != nil {
		return errors.New("it is not the root whose key is in this box: a backup brings both (import backup), or `erase pki:private-key/internal-ca` comes first")
	}
	return nil
}

// fits checks a pasted private key that is about to be stored under name, as keyFits does.
func (s *System) fits(name string, text []byte, passphrase string) error {
	key, err := pki.ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil // the import itself reports it
	}
	return s.keyFits(name, key, "")
}

// keyFits checks a private key that is about to be stored under name against the certificates of the profiles that use it. Certificates
// that have not been imported yet are skipped, and so is the one that is stored along with the key.
func (s *System) keyFits(name string, key crypto.Signer, with config.PKIName) error {
	if root, err := s.store.Certificates(pki.InternalName); name == pki.InternalName && err == nil && pki.Belongs(root[0], key) != nil {
		return fmt.Errorf("the key does not belong to the root of the internal CA: import pki:certificate/%s, which belongs to it, first", pki.InternalName)
	}
	for _, p := range s.Running().TLS {
		if p.PrivateKey != keyName(name) || len(p.Own) == 0 || p.Own[0].Name == with {
			continue
		}
		chain, err := s.store.Certificates(pki.Name(p.Own[0].Name))
		if err != nil || len(chain) == 0 {
			continue
		}
		if pki.Belongs(chain[0], key) != nil {
			return fmt.Errorf("the key does not belong to %s of profile tls %s: import the certificate that belongs to it first, or give the key another name",
				p.Own[0].Name, p.Name)
		}
	}
	return nil
}

func (s *System) newIssuers() *issuers.Book {
	return issuers.New(issuers.Options{
		Log: s.log, Store: s.store, Running: s.Running, Mutate: s.Mutate, Language: s.o.Language,
		Save: func(startup []byte) error { return s.WriteFile(store.StartupFile, startup) },
	})
}

// UnknownIssuers lists the issuers of peers' certificates that are not trusted.
func (s *System) UnknownIssuers() []status.UnknownIssuer { return s.unknown.List() }

// TrustIssuer trusts one of them by its fingerprint.
func (s *System) TrustIssuer(sum string, by status.Author) (string, error) {
	return s.unknown.Trust(sum, by)
}

// UntrustIssuer takes the trust in an imported certificate back.
func (s *System) UntrustIssuer(sum string, by status.Author) (string, error) {
	return s.unknown.Untrust(sum, by)
}
