package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"viaduct/appliance/flash"
)

// Service is a part of the hub beside its engine. It runs from when the registry can be read until ctx ends; when it ends before, the hub does.
type Service interface {
	Run(ctx context.Context) error
}

// Run serves boxes and operators until ctx ends: it starts the engine, has it know those of the registry, and runs the services.
func (n *Node) Run(ctx context.Context, kind Engine, services ...Service) error {
	if err := n.writeConf(); err != nil {
		return err
	}
	if err := n.mendAccounts(); err != nil {
		return err
	}
	if err := flash.MakeDir(n.path(dirStore), 0o700); err != nil {
		return fmt.Errorf("make the store: %w", err)
	}
	var e engine = &external{n}
	if kind == Embedded {
		started, err := n.startEmbedded()
		if err != nil {
			return err
		}
		e = started
	}
	defer e.stop()
	ctx, stop := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop(nil)
	run := func(what string, f func(context.Context) error) {
		parts.Go(func() {
			if err := f(ctx); ctx.Err() == nil {
				stop(fmt.Errorf("%s has ended: %w", what, err))
			}
		})
	}
	run("the watch of the registry", func(ctx context.Context) error { return n.follow(ctx, e) })
	run("the guard of connections", e.guard)
	run("the services", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-n.ready:
		}
		for _, s := range services {
			run("a service", s.Run)
		}
		<-ctx.Done()
		return nil
	})
	select {
	case <-ctx.Done():
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	case <-e.ended():
		return errors.New("the engine has ended by itself: its messages above say why")
	}
}

// mendAccounts writes an accounts.conf that is missing or damaged anew, without anybody but the admin: the others follow from the registry. An engine that
// reads an empty one lets everybody in.
func (n *Node) mendAccounts() error {
	o, err := server.ProcessConfigFile(n.path(fileAccounts))
	admin := publicOf(n.adminKey())
	if err == nil && slices.ContainsFunc(o.Nkeys, func(u *server.NkeyUser) bool { return u.Nkey == admin }) {
		return nil
	}
	if lacks, err := n.emptied(); err != nil {
		return err
	} else if lacks {
		return fmt.Errorf("%s is missing or damaged, and the node has no data: copy the file from another node of the hub, which knows all customers, and start it again",
			n.path(fileAccounts))
	}
	slog.Warn("accounts.conf damaged, and written anew: users follow from the registry", "node", n.Name(), "err", err)
	return n.writeAccounts(&Listing{})
}

// emptied reports whether a node of three has lost what it kept, and has to take it from the others. It must know the customers before: the engine takes up
// no stream of an account that it does not know, and has all nodes delete one that is seconds old.
func (n *Node) emptied() (bool, error) {
	if len(n.set.Nodes) == 1 {
		return false, nil
	}
	list, err := os.ReadDir(n.path(dirStore))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("look for what the node keeps: %w", err)
	}
	return len(list) == 0, nil
}

// follow keeps the engine's users as the registry has them, until ctx ends. Until the registry can be read, and while it cannot, they
// are those of the last time, from the file.
func (n *Node) follow(ctx context.Context, e engine) error {
	said := ""
	for {
		err := n.followOnce(ctx, e)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != said {
			said = err.Error()
			slog.Info("registry not read: the users stay as they were", "node", n.Name(), "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reconnect):
		}
	}
}

func (n *Node) followOnce(ctx context.Context, e engine) error {
	r, err := n.Registry(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.first(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err = r.Watch(ctx, func(l *Listing) {
		if err := n.take(l, e); err != nil {
			stop(err)
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// first gives a new registry what it begins with. Another node may be faster.
func (r *Registry) first(ctx context.Context) error {
	l, err := r.List(ctx)
	if err != nil || len(l.Customers) > 0 {
		return err
	}
	for name, key := range r.node.set.Authorities {
		if err := r.create(ctx, authorityKey(name), Authority{Name: name, Key: key, Added: now()}); err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	err = r.create(ctx, customerKey(DefaultCustomer), Customer{Name: DefaultCustomer, Added: now(), Store: min(DefaultStore, r.node.set.Store-registryStore)})
	if errors.Is(err, errTaken) {
		return nil
	}
	return err
}

// take has the engine know the users of a Listing. What does not concern users is no reason to reload.
func (n *Node) take(l *Listing, e engine) error {
	text := n.accounts(l)
	if taken := n.taken.Load(); taken == nil || *taken != text {
		if old, err := os.ReadFile(n.path(fileAccounts)); err != nil || string(old) != text {
			if err := n.writeAccounts(l); err != nil {
				return err
			}
		}
		if err := e.reload(l); err != nil { // also of a file that is as it was: this process may have ended before
			return fmt.Errorf("have the engine take its users: %w", err)
		}
		n.taken.Store(&text)
	}
	select {
	case <-n.ready:
	default:
		close(n.ready)
	}
	return nil
}
