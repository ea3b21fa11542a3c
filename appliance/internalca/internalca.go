// Package internalca is the certificate authority of the box's own: it issues certificates for phones and web pages of the LAN, and renews
// them.
//
// It owns when and with which key a certificate is issued. The root, its key, and what it has issued are files of the key store like any
// others, so they are backed up, shown and erased like others; what was issued is told by its signature. It does not own the form of
// certificates (pki). It has no goroutine but Run, which the box calls.
package internalca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// keyBits is what the oldest phones in use take, and what is good enough for ten years.
const keyBits = 2048

// Options are what an Authority works with.
type Options struct {
	Store   *store.Store
	Log     *slog.Logger
	Health  *health.Tracker
	Clock   func() error    // nil while the time can be believed
	Changes <-chan struct{} // a token: the key store has changed
	Renewed func()          // certificates of the store were renewed
}

// Authority is the internal CA of a box, which may have none yet.
type Authority struct {
	o       Options
	issuing sync.Mutex // one certificate at a time
}

// New returns the internal CA of a store.
func New(o Options) *Authority { return &Authority{o: o} }

var errNone = errors.New("the box has no internal CA: `generate pki:internal-ca` makes one")

const cureRoot = "`generate pki:internal-ca replace` makes a new root"

// Create makes a root. It replaces another only if told so, because every phone must get the new one.
func (a *Authority) Create(name string, replace bool) (*x509.Certificate, error) {
	a.issuing.Lock()
	defer a.issuing.Unlock()
	if err := a.o.Clock(); err != nil {
		return nil, err
	}
	if a.taken(pki.InternalName, pki.InternalName) && !replace {
		return nil, errors.New("there is an internal CA: with replace, every phone must get the new root, and then each certificate is issued again")
	}
	key, err := pki.NewKey(keyBits)
	if err != nil {
		return nil, err
	}
	root, err := pki.NewInternalRoot(name, key, time.Now())
	if err != nil {
		return nil, err
	}
	if err := a.install(pki.InternalName, pki.InternalName, root, key); err != nil {
		return nil, err
	}
	a.o.Log.Warn("internal CA made", "name", pki.Describe(root).Subject)
	return root, nil
}

// Request says which certificate is wanted.
type Request struct {
	Certificate, Key string // their names in the store
	Names            []string
	Replace          bool                      // what the store has under these names
	Fits             func(crypto.Signer) error // asked before the key is stored
}

// Issue issues a certificate for a new key, and stores both.
func (a *Authority) Issue(r Request) (*x509.Certificate, error) {
	a.issuing.Lock()
	defer a.issuing.Unlock()
	if err := a.o.Clock(); err != nil {
		return nil, err
	}
	root, rootKey, err := a.root(time.Now())
	if err != nil {
		return nil, err
	}
	switch {
	case r.Certificate == pki.InternalName || r.Key == pki.InternalName:
		return nil, fmt.Errorf("%s is the name of the root", pki.InternalName)
	case a.taken(r.Certificate, r.Key) && !r.Replace:
		return nil, errors.New("there is a certificate or a key of this name: give the new one another name, or add replace")
	}
	if err := pki.InternalNames(r.Names); err != nil {
		return nil, err
	}
	key, err := pki.NewKey(keyBits)
	if err == nil {
		err = r.Fits(key)
	}
	if err != nil {
		return nil, err
	}
	c, err := pki.IssueInternal(root, rootKey, key.Public(), r.Names, time.Now())
	if err != nil {
		return nil, err
	}
	return c, a.install(r.Certificate, r.Key, c, key)
}

// taken reports whether the store has a certificate or a key of these names, even a damaged one.
func (a *Authority) taken(certificate, key string) bool {
	_, errC := a.o.Store.Certificates(certificate)
	_, errK := a.o.Store.PrivateKey(key)
	return !errors.Is(errC, fs.ErrNotExist) || !errors.Is(errK, fs.ErrNotExist)
}

func (a *Authority) install(certificate, key string, c *x509.Certificate, k crypto.Signer) error {
	text, err := pki.KeyPEM(k)
	if err != nil {
		return err
	}
	return a.o.Store.InstallPair(certificate, key, pki.ChainPEM([]*x509.Certificate{c}), text)
}

// root returns the root and its key, if certificates can be issued with them.
func (a *Authority) root(now time.Time) (root *x509.Certificate, key crypto.Signer, err error) {
	chain, err := a.o.Store.Certificates(pki.InternalName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errNone
	}
	if err != nil {
		return nil, nil, err
	}
	root = chain[0]
	if err := pki.InternalRoot(root, now); err != nil {
		return root, nil, fmt.Errorf("%w; %s", err, cureRoot)
	}
	key, err = a.o.Store.PrivateKey(pki.InternalName)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the key of the root is not in this box")
	}
	if err == nil {
		err = pki.Belongs(root, key)
	}
	if err != nil {
		return root, nil, fmt.Errorf("%w; import a backup, or %s", err, cureRoot)
	}
	return root, key, nil
}

// leaf is a certificate of the store that says that it comes from an internal CA.
type leaf struct {
	name, key   string // key: "" when the store does not hold it
	certificate *x509.Certificate
}

// leaves are the certificates of internal CAs in the store.
func (a *Authority) leaves() (list []leaf) {
	for _, i := range a.o.Store.Keys() {
		if i.Kind != status.KeyCertificate || i.Name == pki.InternalName {
			continue
		}
		if chain, err := a.o.Store.Certificates(i.Name); err == nil && pki.Internal(chain[0]) && !chain[0].IsCA {
			list = append(list, leaf{i.Name, a.keyOf(chain[0]), chain[0]})
		}
	}
	return list
}

// keyOf returns the name of the key that belongs to a certificate: of that beside which profiles show it.
func (a *Authority) keyOf(c *x509.Certificate) string {
	for _, i := range a.o.Store.Keys() {
		if i.Kind != status.KeyPrivate {
			continue
		}
		if key, err := a.o.Store.PrivateKey(i.Name); err == nil && pki.Belongs(c, key) == nil {
			return i.Name
		}
	}
	return ""
}

// from reports whether the root has issued a certificate.
func from(root, c *x509.Certificate) bool { return root != nil && c.CheckSignatureFrom(root) == nil }

// fault returns why a certificate will not be renewed when its time comes; nil: it will.
func (l leaf) fault(root *x509.Certificate, err error) error {
	switch {
	case l.key == "":
		return errors.New("its key is not in this box")
	case root == nil:
		return err
	case !from(root, l.certificate):
		return fmt.Errorf("it comes from another internal CA: once the phones have the new root, `generate pki:certificate/%s internal-ca replace` issues it again", l.name)
	}
	return err
}

// due reports whether a certificate should be renewed. Of a root that is not there any more, it cannot be told whether that helps.
func (l leaf) due(root *x509.Certificate, now time.Time) bool {
	issuer := root
	if !from(root, l.certificate) {
		issuer = &x509.Certificate{NotAfter: l.certificate.NotAfter.AddDate(10, 0, 0)}
	}
	at := pki.InternalRenewal(l.certificate, issuer)
	return !at.IsZero() && !now.Before(at)
}

const (
	untimed = time.Minute   // until the time can be believed
	usual   = 6 * time.Hour // in a life of months
)

// Run renews certificates, and raises the alarms about them, until ctx ends. After a change of the key store it looks at once.
func (a *Authority) Run(ctx context.Context) error {
	failures := 0
	for {
		pause := untimed
		if a.o.Clock() == nil {
			pause = usual
			if a.look(time.Now()) {
				failures = 0
			} else {
				failures++
				pause = pki.RetryPause(failures)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.o.Changes:
		case <-time.After(pause):
		}
	}
}

// rootWarning is how long before its end a root is announced: it must reach every phone.
const rootWarning = 365 * 24 * time.Hour

// look renews what is due, and reports whether all went well.
func (a *Authority) look(now time.Time) bool {
	root, _, err := a.root(now)
	var failed []health.Args
	renewed := false
	for _, l := range a.leaves() {
		if l.key == "" || !l.due(root, now) {
			continue // one without its key belongs to another box
		}
		why := l.fault(root, err)
		if why == nil {
			why = a.renew(l)
		}
		if why != nil {
			failed = append(failed, health.Args{"name": "pki:certificate/" + l.name, "end": l.certificate.NotAfter.UTC().Format(time.DateOnly), "why": why.Error()})
			continue
		}
		renewed = true
	}
	a.o.Health.Replace(health.InternalNotRenewed, failed)
	if root != nil && root.NotAfter.Sub(now) < rootWarning {
		a.o.Health.Set(health.InternalRootEnds, health.Args{"subject": pki.Describe(root).Subject, "end": root.NotAfter.UTC().Format(time.DateOnly)})
	} else {
		a.o.Health.Clear(health.InternalRootEnds, "")
	}
	if renewed {
		a.o.Renewed()
	}
	return len(failed) == 0
}

// renew issues a certificate again, for the same names and a new key.
func (a *Authority) renew(l leaf) error {
	a.issuing.Lock()
	defer a.issuing.Unlock()
	now := time.Now()
	root, rootKey, err := a.root(now)
	if err != nil {
		return err
	}
	var key crypto.Signer
	if a.shared(l) {
		key, err = a.o.Store.PrivateKey(l.key)
	} else {
		key, err = pki.NewKey(keyBits)
	}
	if err != nil {
		return err
	}
	c, err := pki.IssueInternal(root, rootKey, key.Public(), pki.NamesOf(l.certificate), now)
	if err != nil {
		return err
	}
	// An import may have come meanwhile.
	if chain, err := a.o.Store.Certificates(l.name); err != nil || !chain[0].Equal(l.certificate) || a.keyOf(l.certificate) != l.key {
		return nil
	}
	if err := a.install(l.name, l.key, c, key); err != nil {
		return err
	}
	a.o.Log.Info("certificate renewed", "name", l.name)
	return nil
}

// shared reports whether another certificate belongs to the same key, and would be lost with it.
func (a *Authority) shared(l leaf) bool {
	public, ok := l.certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && slices.ContainsFunc(a.o.Store.Keys(), func(i store.Item) bool {
		if i.Kind != status.KeyCertificate || i.Name == l.name {
			return false
		}
		chain, err := a.o.Store.Certificates(i.Name)
		return err == nil && public.Equal(chain[0].PublicKey)
	})
}

// Status describes the internal CA and what it has issued.
func (a *Authority) Status() status.InternalCA {
	root, _, err := a.root(time.Now())
	var s status.InternalCA
	if err != nil {
		s.Problem = err.Error()
	}
	if root != nil {
		d := pki.Describe(root)
		s.Subject, s.KeyType, s.SHA256, s.NotBefore, s.NotAfter = d.Subject, d.Key, d.SHA256, d.NotBefore, d.NotAfter
		s.PEM = string(pki.ChainPEM([]*x509.Certificate{root}))
	}
	for _, l := range a.leaves() {
		i := status.InternalCertificate{Name: l.name, Key: l.key, Names: pki.Describe(l.certificate).Names, NotAfter: l.certificate.NotAfter}
		if why := l.fault(root, err); why != nil {
			i.Problem = why.Error()
		} else {
			i.Renewal = pki.InternalRenewal(l.certificate, root)
		}
		s.Issued = append(s.Issued, i)
	}
	return s
}
