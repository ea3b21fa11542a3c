package api

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// Parts of the status about who may do what, with which certificates, and what was done.

// accountList lists who may log in.
func accountList(_ context.Context, b device.Box, _ StatusQuery) (any, error) {
	cfg := b.Running()
	managers, sessions := cfg.Managers(), b.Sessions()
	all := []status.Account{}
	for _, a := range cfg.Accounts {
		x := status.Account{Name: a.Name, Class: string(a.Class), Password: a.Password != "", Change: a.Change, PublicKeys: []status.PublicKey{},
			Sole: len(managers) == 1 && managers[0] == a}
		for _, k := range cfg.PublicKeys {
			if k.Account == a.Name {
				x.PublicKeys = append(x.PublicKeys, publicKey(k))
			}
		}
		for _, s := range sessions {
			if s.User == a.Name && (x.LoggedIn.IsZero() || s.Since.Before(x.LoggedIn)) {
				x.LoggedIn = s.Since
			}
		}
		all = append(all, x)
	}
	return all, nil
}

func publicKey(k *config.PublicKey) status.PublicKey {
	raw, _ := base64.StdEncoding.DecodeString(k.Key) // the configuration takes nothing else
	sum := sha256.Sum256(raw)
	return status.PublicKey{Type: k.Type, Key: k.Key, Comment: k.Comment, SHA256: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])}
}

// audit is the trail of who did what.
func audit(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	since, err := q.time("since")
	if err != nil {
		return nil, err
	}
	before, err := q.time("before")
	if err != nil {
		return nil, err
	}
	account, what := q.Parameters.Get("account"), status.AuditKind(q.Parameters.Get("what"))
	if what != "" && !slices.Contains(status.AuditKinds(), what) {
		return nil, bad("what", string(what), fmt.Sprintf("one of %q", status.AuditKinds()))
	}
	found, err := b.Audit(q.Last, func(e status.Audit) bool {
		return (account == "" || e.Account == account) && (what == "" || e.What == what) && !e.Time.Before(since) && (before.IsZero() || e.Time.Before(before))
	})
	return list(found), err
}

func alarmHistory(_ context.Context, b device.Box, q StatusQuery) (any, error) {
	return list[health.Episode](b.AlarmHistory(q.Last)), nil
}

// keys lists the key store with what uses each item, and what speaks against it.
func keys(_ context.Context, b device.Box, _ StatusQuery) (any, error) {
	cfg, env := b.Running(), b.Env()
	users, problems := check.KeyUsers(cfg), map[config.PKIName][]check.KeyProblem{}
	if env.PKI != nil {
		problems = check.KeyProblems(cfg, env)
	}
	all := b.PKI()
	for n := range all {
		k := &all[n]
		if k.Subject != "" {
			left := int(k.NotAfter.Sub(env.Now).Hours() / 24)
			k.DaysLeft = &left
		}
		if k.Kind == status.KeyTrusted {
			continue
		}
		name := config.PKIName("pki:" + string(k.Kind) + "/" + k.Name)
		k.UsedBy = users[string(name)]
		k.Problems = keyProblems(problems[name])
		if env.PKI == nil {
			continue
		}
		for _, text := range check.Imported(cfg, env.PKI, name, env.Now) {
			if !slices.ContainsFunc(k.Problems, func(p status.KeyProblem) bool { return p.Text == text }) {
				k.Problems = append(k.Problems, status.KeyProblem{Severity: check.Warning.String(), Text: text})
			}
		}
		if chain, err := env.PKI.Certificates(k.Name); k.Kind == status.KeyCertificate && err == nil && len(chain) > 0 {
			k.Root = rootOf(cfg, env, chain)
		}
	}
	return list(all), nil
}

// rootOf names the root at which a chain ends; "": the box does not know it.
func rootOf(cfg *config.Config, env check.Env, chain []*x509.Certificate) string {
	anchors := append(pki.BuiltIn(), pki.Public()...)
	names := []config.PKIName{"pki:certificate/" + pki.InternalName}
	for _, t := range cfg.TLS {
		names = append(names, t.Trusted...)
	}
	for _, n := range names {
		if more, err := env.PKI.Certificates(pki.Name(n)); err == nil {
			anchors = append(anchors, more...)
		}
	}
	if root := pki.RootOf(chain, anchors, env.Now); root != nil {
		return pki.Describe(root).Subject
	}
	return ""
}

func keyProblems(found []check.KeyProblem) (all []status.KeyProblem) {
	for _, p := range found {
		all = append(all, status.KeyProblem{Severity: p.Severity.String(), Text: p.Text, Cure: p.Fix, Where: "profile tls " + p.Profile})
	}
	return all
}

// tlsProfiles lists which certificates and keys are shown together.
func tlsProfiles(_ context.Context, b device.Box, _ StatusQuery) (any, error) {
	cfg, env := b.Running(), b.Env()
	problems := map[config.PKIName][]check.KeyProblem{}
	if env.PKI != nil {
		problems = check.KeyProblems(cfg, env)
	}
	all := []status.TLSProfile{}
	for _, t := range cfg.TLS {
		x := status.TLSProfile{Name: t.Name, Teams: cfg.FacesTeams(t), UsedBy: list(check.ProfileUsers(cfg, t)), PrivateKey: string(t.PrivateKey),
			Own: []string{}, Trusted: []string{}, Missing: []string{}, Names: list(check.NamesFor(cfg, t)), Problems: []status.KeyProblem{}}
		named := []config.PKIName{}
		if t.PrivateKey != "" {
			named = append(named, t.PrivateKey)
		}
		for _, o := range t.Own {
			x.Own, named = append(x.Own, string(o.Name)), append(named, o.Name)
		}
		for _, n := range t.Trusted {
			x.Trusted, named = append(x.Trusted, string(n)), append(named, n)
		}
		for n, name := range named {
			if slices.Index(named, name) != n {
				continue
			}
			if env.PKI != nil && errors.Is(unusable(env.PKI, name), fs.ErrNotExist) {
				x.Missing = append(x.Missing, string(name))
			}
			for _, p := range keyProblems(problems[name]) {
				if p.Where == "profile tls "+t.Name {
					x.Problems = append(x.Problems, p)
				}
			}
		}
		all = append(all, x)
	}
	return all, nil
}

// unusable says why what a name stands for cannot be used.
func unusable(s check.PKIStore, name config.PKIName) (err error) {
	if strings.HasPrefix(string(name), "pki:"+string(status.KeyPrivate)+"/") {
		_, err = s.PrivateKey(pki.Name(name))
	} else {
		_, err = s.Certificates(pki.Name(name))
	}
	return err
}
