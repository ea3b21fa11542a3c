package sipevent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"viaduct/appliance/printable"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// restarts are the events by which phones start again, by a word of their User-Agent in lower case; the last line is that of all others. None of them is a
// standard: check-sync is an expired draft (sip-config-profile), and the parameter of Snom's, which Yealink, Gigaset, Grandstream and others have taken
// over, says whether a phone starts again when its settings have not changed.
var restarts = []struct{ word, event string }{
	{"polycom", "check-sync"}, // without a parameter, as its manual has it
	{"polyedge", "check-sync"},
	{"linksys", "reboot_now"},
	{"sipura", "reboot_now"},
	{"cisco/spa", "reboot_now"},
	{"aastra", "check-sync"},
	{"mitel", "check-sync"},
	{"", "check-sync;reboot=true"},
}

func restartOf(model string) string {
	model = strings.ToLower(model)
	for _, x := range restarts {
		if strings.Contains(model, x.word) {
			return x.event
		}
	}
	return ""
}

// Restart has the phones of an identity fetch their settings and start again, with the identity named by its name or an alias, in a location-service ("": any). It returns what
// became of each. The error says that there is no such identity, or no phone. It blocks until all have answered or ctx ends.
func (a *Agent) Restart(ctx context.Context, location, identity string) ([]status.PhoneRestart, error) {
	list, err := a.reachable(location, identity)
	if err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	out := make([]status.PhoneRestart, len(list))
	for n, x := range list {
		group.Go(func() { out[n] = a.restart(ctx, x) })
	}
	group.Wait()
	slices.SortFunc(out, func(a, b status.PhoneRestart) int { return cmp.Compare(a.Phone, b.Phone) })
	return out, nil
}

// reached is a phone and the gateway that reaches it.
type reached struct {
	phone
	via sipdialog.Client
	at  siptransport.PhoneTarget
}

// reachable are the phones of an identity.
func (a *Agent) reachable(location, name string) (list []reached, err error) {
	a.mu.Lock()
	cfg := a.cfg
	a.mu.Unlock()
	var found []phone
	for _, l := range cfg.Location {
		if id := l.Named(name); id != nil && (location == "" || l.Name == location) && len(a.interfaces("", l.Name)) > 0 {
			found = append(found, phone{l.Name, id.Name})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no identity of phones is called %s: `show phones` lists them", printable.Text(name))
	}
	for _, p := range found {
		for _, id := range a.interfaces("", p.location) {
			_, i := id.In(cfg)
			via, runs := a.stack.Client(i.Gateway.Name)
			if !runs {
				continue
			}
			targets, _, _ := a.o.Phones.Targets(id, p.identity)
			for _, t := range targets {
				if !slices.ContainsFunc(list, func(x reached) bool { return x.at == t }) {
					list = append(list, reached{p, via, t})
				}
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no phone has registered as " + printable.Text(name))
	}
	return list, nil
}

// restart has one phone start again.
func (a *Agent) restart(ctx context.Context, x reached) status.PhoneRestart {
	model := a.o.Phones.Model(x.at.Addr.Addr())
	out := status.PhoneRestart{Location: x.location, Identity: x.identity, Phone: x.at.Addr.String() + "/" + x.at.Transport.String(), Model: printable.Text(model)}
	from := a.addressAt(x.via, x.phone, x.at)
	talk := x.via.Event(x.at.URI, from, from, x.identity, x.at.Target())
	req, to, err := talk.Request(sip.NOTIFY, "", nil, sipmsg.Header{Name: "Event", Value: restartOf(model)}, unsolicited)
	var res *sipmsg.Response
	if err == nil {
		res, err = x.via.Do(ctx, req, to)
	}
	switch {
	case err != nil:
		out.Error = printable.Text(err.Error())
	case res.StatusCode/100 == 2:
		out.Code = res.StatusCode
	case res.StatusCode == 401 || res.StatusCode == 407:
		out.Code, out.Error = res.StatusCode, "it wants a password for this: switch that off in its settings"
	default:
		out.Code, out.Error = res.StatusCode, fmt.Sprintf("%d %s", res.StatusCode, printable.Text(res.Reason))
	}
	a.o.Log.Info("phone told to start again", "name", x.identity, "peer", x.at.Addr, "code", out.Code)
	return out
}
