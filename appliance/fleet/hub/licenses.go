package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/license"
)

// License is a license key of a customer's pool.
type License struct {
	ID    string    `json:"id"` // license.ID
	Key   string    `json:"key"`
	Kind  string    `json:"kind"`
	Count int       `json:"count"`
	Added time.Time `json:"added"`

	Serial  uint32    `json:"serial"`
	Issuer  string    `json:"issuer"`
	Expires time.Time `json:"expires,omitzero"` // the last day on which it is good
}

// Authority is an issuer of licenses that the hub believes besides those that are built in.
type Authority struct {
	Name  string    `json:"name"`
	Key   string    `json:"key"`
	Added time.Time `json:"added"`
}

// AddLicense puts a license key into a customer's pool. It must be signed for this hub (ID) by an issuer whom the hub believes.
func (r *Registry) AddLicense(ctx context.Context, customer, key string) (license.License, error) {
	l, err := r.List(ctx)
	if err != nil {
		return license.License{}, err
	}
	c, err := l.customer(customer)
	if err != nil {
		return license.License{}, err
	}
	var authorities []*config.LicenseAuthority
	for _, a := range Sorted(l.Authorities) {
		authorities = append(authorities, &config.LicenseAuthority{Name: a.Name, Key: a.Key})
	}
	k, err := license.VerifyPoolKey(key, r.node.ID(), time.Now(), authorities)
	if err != nil {
		return k, err
	}
	if len(c.Licenses) >= maxLicenses {
		return k, fmt.Errorf("%s has %d licenses, and takes no more", customer, len(c.Licenses))
	}
	for _, other := range Sorted(l.Customers) { // one license is in one pool
		for _, o := range other.Licenses {
			if o.Key == k.Key || o.Serial == k.Serial && o.Issuer == k.Issuer {
				return k, fmt.Errorf("license %d of %s is in the pool of %s already", k.Serial, k.Issuer, other.Name)
			}
		}
	}
	id := license.ID(k.Key)
	err = r.create(ctx, licenseKey(customer, id), License{ID: id, Key: k.Key, Kind: string(k.Kind), Count: k.Count, Added: now(), Serial: k.Serial, Issuer: k.Issuer, Expires: k.Expires})
	if errors.Is(err, errTaken) {
		return k, fmt.Errorf("license %d is in the pool of %s already", k.Serial, customer)
	}
	return k, err
}

// AddAuthority has the hub believe an issuer of licenses.
func (r *Registry) AddAuthority(ctx context.Context, name, key string) error {
	if err := fleet.CheckName(name); err != nil {
		return err
	}
	if _, err := license.ParseIssuer(key); err != nil {
		return err
	}
	l, err := r.List(ctx)
	if err != nil {
		return err
	}
	if len(l.Authorities) >= maxAuthorities {
		return fmt.Errorf("the hub has %d authorities, and takes no more", len(l.Authorities))
	}
	err = r.create(ctx, authorityKey(name), Authority{Name: name, Key: key, Added: now()})
	if errors.Is(err, errTaken) {
		return fmt.Errorf("there is an authority %q already", name)
	}
	return err
}
