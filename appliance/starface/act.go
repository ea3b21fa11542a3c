package starface

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"viaduct/appliance/plural"
)

// do does one thing. The error is why the STARFACE was not of use.
func (k *Keeper) do(ctx context.Context, j job) error {
	var err error
	switch j.todo {
	case set:
		err = k.set(ctx, j)
	case release:
		err = k.release(ctx, j)
	case watch:
		err = k.watch(ctx, j)
	}
	var e *Error
	if errors.As(err, &e) && ctx.Err() == nil {
		k.update(j.name, func(p *person) {
			first, last := refusedFirst, refusedLast
			if general(e) { // the others are tried before, in case it is so for this user alone; and nobody is left behind for long when it works again
				first, last = 2*refusedFirst, lastPause
			}
			p.state, p.why, p.cure = Refused, e.Error(), e.Cure
			p.pause = min(max(first, 2*p.pause), last)
			p.after = time.Now().Add(p.pause)
		})
	}
	return err
}

// set sets do not disturb, if it is not on already.
func (k *Keeper) set(ctx context.Context, j job) error {
	id := j.at.id
	if j.own != nil {
		id = j.own.ID
	} else if j.at.state != "" {
		k.update(j.name, func(p *person) {
			if p.state != j.at.state {
				k.o.Log.Warn("starface user not known", "service", k.o.Service, "user", j.name, "why", j.at.why)
			}
			p.state, p.why, p.cure, p.after = j.at.state, j.at.why, cureMatch, time.Now().Add(listAgain)
		})
		return nil
	}
	now, err := k.o.Client.PhoneConfig(ctx, id)
	if gone(err) {
		k.forget(j.name)
	}
	if err != nil {
		return err
	}
	if now.DoNotDisturb {
		k.update(j.name, func(p *person) {
			if p.entry != nil { // what had become of our request was not heard
				k.begun(p)
				return
			}
			p.state, p.why, p.cure = Own, "", ""
		})
		return nil
	}
	e := Entry{URL: k.o.Client.access.URL, ID: id, Service: k.o.Service, Name: j.name, Since: time.Now().UTC().Truncate(time.Second)}
	wanted := false
	k.update(j.name, func(p *person) {
		if wanted = p.Wish == Set; wanted {
			p.entry, p.certain = &e, false
		}
	})
	if !wanted {
		return nil
	}
	if err := k.o.Book.add(e); err != nil {
		k.update(j.name, func(p *person) { p.entry = nil })
		if errors.Is(err, errTaken) {
			k.update(j.name, func(p *person) {
				p.state, p.why, p.cure, p.after = Ambiguous, err.Error(), cureMatch, time.Now().Add(listAgain)
			})
			return nil
		}
		return &Error{Op: opChange, Text: err.Error(), Cure: cureFlash}
	}
	if err := k.o.Client.SetDoNotDisturb(ctx, id, now, true); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Status >= 300 && (e.Status < 500 || k.isOff(ctx, id)) {
			k.forget(j.name) // it was not done, that is certain: who switches it on from now on does so himself
		}
		return err
	}
	k.update(j.name, k.begun)
	return nil
}

// isOff says whether do not disturb is off for certain.
func (k *Keeper) isOff(ctx context.Context, id int64) bool {
	now, err := k.o.Client.PhoneConfig(ctx, id)
	return err == nil && !now.DoNotDisturb
}

// begun is that do not disturb is on, by us.
func (k *Keeper) begun(p *person) {
	p.state, p.why, p.cure, p.certain, p.looked, p.pause = Ours, "", "", true, time.Now(), 0
	k.o.Log.Info("starface do not disturb set", "service", k.o.Service, "user", p.Name)
}

// release takes back what was set, if it still is so.
func (k *Keeper) release(ctx context.Context, j job) error {
	if j.lost {
		k.forget(j.name)
		return nil
	}
	now, err := k.o.Client.PhoneConfig(ctx, j.own.ID)
	if gone(err) || err == nil && !now.DoNotDisturb {
		k.forget(j.name)
		return nil
	}
	if err != nil {
		return err
	}
	again := false
	k.update(j.name, func(p *person) {
		if again = p.Wish == Set; again {
			p.certain, p.looked, p.state = true, time.Now(), Ours
		}
	})
	if again {
		return nil
	}
	if err := k.o.Client.SetDoNotDisturb(ctx, j.own.ID, now, false); err != nil {
		return err
	}
	k.forget(j.name)
	k.o.Log.Info("starface do not disturb taken back", "service", k.o.Service, "user", j.name)
	return nil
}

// watch looks whether what was set still is so: who has switched it off himself is not disturbed by us again until he wishes so anew in Teams.
func (k *Keeper) watch(ctx context.Context, j job) error {
	now, err := k.o.Client.PhoneConfig(ctx, j.own.ID)
	switch {
	case gone(err):
		k.forget(j.name)
	case err != nil:
		return err
	case now.DoNotDisturb:
		k.update(j.name, func(p *person) {
			p.state, p.why, p.cure, p.looked, p.pause = Ours, "", "", time.Now(), 0
		})
	default:
		k.forget(j.name)
		k.update(j.name, func(p *person) { p.state = Yielded })
		k.o.Log.Info("starface do not disturb switched off by the user", "service", k.o.Service, "user", j.name)
	}
	return nil
}

// gone says whether an error means that there is no such user any more.
func gone(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// update changes what is known of somebody. Who has been left out meanwhile is there again as long as something is ours.
func (k *Keeper) update(name string, f func(*person)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.people[name]
	if p == nil {
		p = &person{Person: Person{Name: name, Wish: Release}, state: Idle}
	}
	f(p)
	if p.entry != nil {
		k.people[name] = p
	}
}

// forget is that nothing is ours any more.
func (k *Keeper) forget(name string) {
	var own *Entry
	k.update(name, func(p *person) {
		own = p.entry
		p.rest()
	})
	if own == nil {
		return
	}
	if err := k.o.Book.drop(*own); err != nil {
		k.o.Log.Debug("starface memory", "err", err) // it is written later; every failure of the flash has its alarm
	}
}

// ReleaseAll takes back all that is ours and logs out, for a service that does not set do not disturb any more. Run must have ended. What cannot be
// taken back until ctx ends is remembered.
func (k *Keeper) ReleaseAll(ctx context.Context) error {
	k.recall()
	k.Want(nil)
	for {
		work, _ := k.work(time.Now())
		if len(work) == 0 {
			break
		}
		k.perform(ctx, work)
		if ctx.Err() != nil || k.Failure() != nil {
			break
		}
	}
	why := k.Failure()
	if err := k.o.Client.Close(ctx); err != nil {
		k.o.Log.Debug("starface session not ended", "service", k.o.Service, "err", err) // it ends by itself
	}
	left := k.o.Book.of(k.o.Service, k.o.Client.access.URL)
	if len(left) == 0 {
		return nil
	}
	for name := range left {
		if _, refused := k.How(name); why == nil && refused != "" {
			why = errors.New(refused)
		}
	}
	if why == nil {
		why = context.Cause(ctx)
	}
	return fmt.Errorf("do not disturb of %s stays set at the STARFACE: %w", plural.Of(len(left), "user"), why)
}

// Works says whether all goes well, and whether the STARFACE was asked at all yet.
func (k *Keeper) Works() (why string, asked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.report, k.asked
}

// Failure is why nothing can be done at the STARFACE at present; nil: it works, or was not needed.
func (k *Keeper) Failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down == nil {
		return nil
	}
	return k.down
}

// Test logs in and reads the users, apart from what else goes on: how many there are.
func (k *Keeper) Test(ctx context.Context) (users int, err error) {
	list, err := k.o.Client.Users(ctx)
	return len(list), err
}

// How is the state of one Teams user, and why it is none of the good ones.
func (k *Keeper) How(name string) (s State, why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.people[name]
	if p == nil {
		return Idle, ""
	}
	return p.state, p.why
}

// tell reports what is wrong for longer than a request, when it changes.
func (k *Keeper) tell() {
	k.mu.Lock()
	why, cure := "", ""
	if k.down != nil {
		why, cure = k.down.Error(), k.down.Cure
	} else {
		var refused []string
		for _, name := range slices.Sorted(maps.Keys(k.people)) {
			if p := k.people[name]; p.state == Refused {
				if len(refused) == 0 {
					why, cure = name+": "+p.why, p.cure
				}
				refused = append(refused, name)
			}
		}
		if more := len(refused) - 1; more > 0 {
			why += fmt.Sprintf(" (and %d more)", more)
		}
	}
	same := why == k.report
	k.report = why
	k.mu.Unlock()
	if !same {
		k.o.Report(why, cure)
	}
}
