package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
)

// Listing is the registry at one time.
type Listing struct {
	Customers   map[string]*Customer
	Authorities map[string]*Authority
}

// Customer is one of the hub's customers, with all that is theirs.
type Customer struct {
	Name  string    `json:"name"`
	Added time.Time `json:"added"`
	Store int64     `json:"store"` // octets that its streams may take on each node

	Boxes     map[string]*Box      `json:"-"`
	Operators map[string]*Operator `json:"-"`
	Licenses  map[string]*License  `json:"-"` // by their IDs
}

// Box is one that a customer has handed over the key of.
type Box struct {
	Customer string           `json:"customer"`
	Name     string           `json:"name"`
	Serial   string           `json:"serial"`
	Key      string           `json:"key,omitempty"`  // with which it connects; "": it was ended or revoked
	Next     string           `json:"next,omitempty"` // what the box has said that it made in the place of the one that it ended
	Ended    []string         `json:"ended,omitempty"`
	Added    time.Time        `json:"added"`
	Keyed    time.Time        `json:"keyed"`            // since when Key is so
	Revoked  time.Time        `json:"revoked,omitzero"` // for good, until it is added again
	Limits   map[string]Limit `json:"limits,omitempty"` // by kind of license
}

// Limit is what a box has of a pool: Min is kept for it, and it never has more than Max.
type Limit struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// State is how a box stands in the registry.
func (b *Box) State() BoxState {
	switch {
	case !b.Revoked.IsZero():
		return BoxRevoked
	case b.Key == "":
		return BoxAwaitsKey
	}
	return BoxKnown
}

// BoxState is how a box stands in the registry.
type BoxState string

const (
	BoxKnown     BoxState = "known"
	BoxAwaitsKey BoxState = "awaits its new key" // it has ended its old one
	BoxRevoked   BoxState = "revoked"
)

// Operator is somebody who may connect to the boxes of a customer from another machine.
type Operator struct {
	Customer string    `json:"customer"`
	Name     string    `json:"name"`
	Key      string    `json:"key,omitempty"`
	Added    time.Time `json:"added"`
	Revoked  time.Time `json:"revoked,omitzero"`
}

// member is a name of a customer: a box or an operator, never both.
type member struct {
	Box      *Box      `json:"box,omitempty"`
	Operator *Operator `json:"operator,omitempty"`
}

// listing makes a Listing of the values of the registry. What cannot be read is left out, and so may do nothing.
func listing(raw map[string]jetstream.KeyValueEntry) *Listing {
	l := &Listing{Customers: map[string]*Customer{}, Authorities: map[string]*Authority{}}
	keys := slices.Sorted(maps.Keys(raw)) // customers come before what is theirs: license, member
	for _, key := range keys {
		text := raw[key].Value()
		kind, rest := splitKey(key)
		owner, name, _ := strings.Cut(rest, ".")
		switch kind {
		case "authority":
			var a Authority
			if json.Unmarshal(text, &a) == nil {
				l.Authorities[rest] = &a
			}
		case "customer":
			var c Customer
			if json.Unmarshal(text, &c) == nil && c.Name == rest {
				c.Boxes, c.Operators, c.Licenses = map[string]*Box{}, map[string]*Operator{}, map[string]*License{}
				l.Customers[rest] = &c
			}
		case "license":
			var k License
			if c := l.Customers[owner]; c != nil && json.Unmarshal(text, &k) == nil {
				c.Licenses[name] = &k
			}
		case "member":
			var m member
			c := l.Customers[owner]
			if c == nil || json.Unmarshal(text, &m) != nil {
				continue
			}
			if m.Box != nil && m.Box.Name == name && m.Box.Customer == owner {
				c.Boxes[name] = m.Box
			} else if m.Operator != nil && m.Operator.Name == name && m.Operator.Customer == owner {
				c.Operators[name] = m.Operator
			}
		}
	}
	return l
}

// customer of a listing, or the sentence that says that there is none.
func (l *Listing) customer(name string) (*Customer, error) {
	if c := l.Customers[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no customer %q: `hub customer list` names those that there are", name)
}

// Sorted are the values of a map of a Listing, in the order of their names.
func Sorted[T any](m map[string]T) []T {
	list := make([]T, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[name])
	}
	return list
}

// AddCustomer takes a customer. Store is how much its streams may keep on each node; 0 is DefaultStore.
func (r *Registry) AddCustomer(ctx context.Context, name string, store int64) error {
	if err := fleet.CheckName(name); err != nil {
		return err
	}
	l, err := r.List(ctx)
	if err != nil {
		return err
	}
	store = cmp.Or(store, DefaultStore)
	left := r.node.set.Store - registryStore
	for _, c := range l.Customers {
		left -= c.Store
	}
	switch {
	case len(l.Customers) >= maxCustomers:
		return fmt.Errorf("the hub has %d customers, and takes no more", len(l.Customers))
	case store < minStore:
		return fmt.Errorf("a customer needs %s of storage at least", Size(minStore))
	case store > left && l.Customers[name] == nil:
		return fmt.Errorf("the hub has %s of storage left, and the customer wants %s: give it less, or give the hub more (-store of `hub init`)", Size(max(left, 0)), Size(store))
	}
	err = r.create(ctx, customerKey(name), Customer{Name: name, Added: now(), Store: store})
	if errors.Is(err, errTaken) {
		return fmt.Errorf("there is a customer %q already", name)
	}
	return err
}

// RemoveCustomer ends a customer, with its operators and licenses and all that its streams keep. It must have no box that is not revoked.
func (r *Registry) RemoveCustomer(ctx context.Context, name string) error {
	l, err := r.List(ctx)
	if err != nil {
		return err
	}
	c, err := l.customer(name)
	if err != nil {
		return err
	}
	for _, b := range Sorted(c.Boxes) {
		if b.Revoked.IsZero() {
			return fmt.Errorf("%s still has the box %s: revoke its boxes first", name, b.Name)
		}
	}
	if err := r.node.purge(ctx, name); err != nil {
		return err
	}
	for _, k := range Sorted(c.Licenses) {
		err = errors.Join(err, r.kv.Delete(ctx, licenseKey(name, k.ID)))
	}
	for _, names := range [][]string{slices.Collect(maps.Keys(c.Boxes)), slices.Collect(maps.Keys(c.Operators))} {
		for _, m := range names {
			err = errors.Join(err, r.kv.Delete(ctx, memberKey(name, m)))
		}
	}
	return errors.Join(err, r.kv.Delete(ctx, customerKey(name)))
}

// purge deletes the streams of a customer: an account that is gone cannot be asked to any more.
func (n *Node) purge(ctx context.Context, customer string) error {
	conn, err := n.Steward(customer)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete what %s has in %s: %w", customer, name, err)
		}
	}
	return names.Err()
}

// AddBox takes a box, or takes one back that was revoked.
func (r *Registry) AddBox(ctx context.Context, customer string, file fleet.KeyFile, limits map[string]Limit) error {
	if err := fleet.CheckName(file.Box); err != nil {
		return err
	}
	file.Serial = plainSerial(file.Serial)
	l, err := r.List(ctx)
	if err != nil {
		return err
	}
	c, err := l.customer(customer)
	if err != nil {
		return err
	}
	old := c.Boxes[file.Box]
	switch {
	case len(c.Boxes) >= maxBoxes && old == nil:
		return fmt.Errorf("%s has %d boxes, and takes no more", customer, len(c.Boxes))
	case c.Operators[file.Box] != nil || file.Box == DefaultOperator:
		return fmt.Errorf("%s is the name of an operator of %s: the box needs another", file.Box, customer)
	case old != nil && old.State() != BoxRevoked:
		return fmt.Errorf("%s has a box %s already: `hub box key` takes a new key of it", customer, file.Box)
	}
	if err := r.checkKey(l, old, file); err != nil {
		return err
	}
	for _, other := range Sorted(c.Boxes) { // leases are counted by serial numbers
		if other.Name != file.Box && other.State() != BoxRevoked && other.Serial == file.Serial {
			return fmt.Errorf("%s has the serial number %s: revoke it first if the box has a new name", other.Name, file.Serial)
		}
	}
	b := &Box{Customer: customer, Name: file.Box, Serial: file.Serial, Key: file.Key, Added: now(), Keyed: now(), Limits: limits}
	if old == nil {
		err = r.create(ctx, memberKey(customer, file.Box), member{Box: b})
		if errors.Is(err, errTaken) {
			return fmt.Errorf("%s has a box or an operator %s already", customer, file.Box)
		}
		return err
	}
	return r.changeBox(ctx, customer, file.Box, func(now *Box) error {
		if now.State() != BoxRevoked {
			return fmt.Errorf("%s has a box %s already: `hub box key` takes a new key of it", customer, file.Box)
		}
		b.Ended = now.Ended
		*now = *b
		return nil
	})
}

// checkKey says why the key in a file cannot be taken.
func (r *Registry) checkKey(l *Listing, of *Box, file fleet.KeyFile) error {
	if !nkeys.IsValidPublicUserKey(file.Key) {
		return errors.New("the key in the file is none: it has U and 55 characters after it")
	}
	if !serialFits(file.Serial) {
		return errors.New("the serial number in the file is none: it has 1 to 32 letters and digits")
	}
	if of != nil && slices.Contains(of.Ended, file.Key) {
		return fmt.Errorf("this key of %s was ended: `fleet key generate` at the box makes a new one", of.Name)
	}
	if who := r.node.holder(l, file.Key); who != "" {
		return fmt.Errorf("%s has this key already", who)
	}
	return nil
}

// plainSerial is a serial number as the boxes themselves write it, in capitals and without marks: a file that was typed in may have it otherwise.
func plainSerial(serial string) string {
	return strings.NewReplacer(":", "", "-", "", " ", "").Replace(strings.ToUpper(serial))
}

func serialFits(serial string) bool {
	return len(serial) > 0 && len(serial) <= 32 && strings.IndexFunc(serial, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == ':')
	}) < 0
}

// holder says who has a key. A public key is no secret: a file with somebody else's would keep that one out.
func (n *Node) holder(l *Listing, key string) string {
	if key == publicOf(n.adminKey()) {
		return "the hub"
	}
	for _, c := range Sorted(l.Customers) {
		if key == publicOf(n.stewardKey(c.Name)) || key == publicOf(n.localOperator(c.Name)) {
			return "the hub"
		}
		for _, b := range Sorted(c.Boxes) {
			if b.Key == key {
				return "the box " + b.Name + " of " + c.Name
			}
		}
		for _, o := range Sorted(c.Operators) {
			if o.Key == key {
				return "the operator " + o.Name + " of " + c.Name
			}
		}
	}
	return ""
}

// ReplaceKey takes the new key of a box; the old one ends. Expected reports whether the box itself has said, over its old key, that it made this one.
func (r *Registry) ReplaceKey(ctx context.Context, customer string, file fleet.KeyFile) (expected bool, err error) {
	l, err := r.List(ctx)
	if err != nil {
		return false, err
	}
	c, err := l.customer(customer)
	if err != nil {
		return false, err
	}
	b := c.Boxes[file.Box]
	if b == nil {
		return false, noBox(customer, file.Box)
	}
	if err := r.checkKey(l, b, file); err != nil {
		return false, err
	}
	return expected, r.changeBox(ctx, customer, file.Box, func(b *Box) error {
		switch {
		case b.State() == BoxRevoked:
			return fmt.Errorf("%s is revoked: `hub box add` takes it back", b.Name)
		case b.Serial != plainSerial(file.Serial):
			return fmt.Errorf("the file is of the device %s, and %s is %s: revoke it and add it again if the device was exchanged", file.Serial, b.Name, b.Serial)
		}
		expected = b.Next == file.Key
		b.end()
		b.Key, b.Next, b.Keyed = file.Key, "", now()
		return nil
	})
}

// EndKey ends a key of a box, which has made next in its place. A key that has ended already is no error.
func (r *Registry) EndKey(ctx context.Context, customer, box, key, next string) error {
	return r.changeBox(ctx, customer, box, func(b *Box) error {
		if b.Key == key && key != "" {
			b.end()
			b.Next, b.Keyed = next, now()
		}
		return nil
	})
}

// RevokeBox ends a box: it is cut off, gets no more licenses, and its key is never taken again.
func (r *Registry) RevokeBox(ctx context.Context, customer, box string) error {
	return r.changeBox(ctx, customer, box, func(b *Box) error {
		if b.State() == BoxRevoked {
			return fmt.Errorf("%s is revoked already", box)
		}
		b.end()
		b.Next, b.Revoked = "", now()
		return nil
	})
}

// end puts the key aside.
func (b *Box) end() {
	if b.Key != "" {
		b.Ended = append(b.Ended, b.Key)
		b.Ended = b.Ended[max(0, len(b.Ended)-maxEnded):]
	}
	b.Key = ""
}

// SetLimits changes what a box may have of the pools.
func (r *Registry) SetLimits(ctx context.Context, customer, box string, limits map[string]Limit) error {
	return r.changeBox(ctx, customer, box, func(b *Box) error {
		if b.Limits == nil {
			b.Limits = map[string]Limit{}
		}
		maps.Copy(b.Limits, limits)
		return nil
	})
}

func noBox(customer, box string) error {
	return fmt.Errorf("%s has no box %q: `hub box list` names those that there are", customer, box)
}

func (r *Registry) changeBox(ctx context.Context, customer, box string, f func(*Box) error) error {
	if fleet.CheckName(customer) != nil || fleet.CheckName(box) != nil {
		return noBox(customer, box)
	}
	err := change(ctx, r, memberKey(customer, box), func(m *member) error {
		if m.Box == nil {
			return errMissing
		}
		return f(m.Box)
	})
	if errors.Is(err, errMissing) {
		return noBox(customer, box)
	}
	return err
}

// AddOperator takes an operator, or gives one that was revoked a new key, by the public key.
func (r *Registry) AddOperator(ctx context.Context, customer, name, key string) error {
	if err := fleet.CheckName(name); err != nil {
		return err
	}
	l, err := r.List(ctx)
	if err != nil {
		return err
	}
	c, err := l.customer(customer)
	if err != nil {
		return err
	}
	old := c.Operators[name]
	switch {
	case !nkeys.IsValidPublicUserKey(key):
		return errors.New("the key is none: it has U and 55 characters after it")
	case len(c.Operators) >= maxOperators && old == nil:
		return fmt.Errorf("%s has %d operators, and takes no more", customer, len(c.Operators))
	case c.Boxes[name] != nil:
		return fmt.Errorf("%s is the name of a box of %s: the operator needs another", name, customer)
	case name == DefaultOperator:
		return fmt.Errorf("%s is the operator at the hub's own machine: this one needs another name", name)
	case old != nil && old.Revoked.IsZero():
		return fmt.Errorf("%s has an operator %s already", customer, name)
	}
	if who := r.node.holder(l, key); who != "" {
		return fmt.Errorf("%s has this key already", who)
	}
	o := &Operator{Customer: customer, Name: name, Key: key, Added: now()}
	if old == nil {
		err = r.create(ctx, memberKey(customer, name), member{Operator: o})
	} else {
		err = change(ctx, r, memberKey(customer, name), func(m *member) error {
			if m.Operator == nil || m.Operator.Revoked.IsZero() {
				return errTaken
			}
			m.Operator = o
			return nil
		})
	}
	if errors.Is(err, errTaken) {
		return fmt.Errorf("%s has a box or an operator %s already", customer, name)
	}
	return err
}

// RevokeOperator cuts an operator off.
func (r *Registry) RevokeOperator(ctx context.Context, customer, name string) error {
	missing := fmt.Errorf("%s has no operator %q: `hub operator list` names those that there are", customer, name)
	if fleet.CheckName(customer) != nil || fleet.CheckName(name) != nil {
		return missing
	}
	err := change(ctx, r, memberKey(customer, name), func(m *member) error {
		switch {
		case m.Operator == nil:
			return errMissing
		case !m.Operator.Revoked.IsZero():
			return fmt.Errorf("%s is revoked already", name)
		}
		m.Operator.Key, m.Operator.Revoked = "", now()
		return nil
	})
	if errors.Is(err, errMissing) {
		return missing
	}
	return err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
