package system

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
	"viaduct/appliance/trend"
	"viaduct/appliance/watch"
)

// Alarms lists the alarms that are up, the worst first.
func (s *System) Alarms() []health.Alarm {
	s.watchStore()
	return s.health.Current()
}

// AlarmCounts counts the alarms that are up, by kind.
func (s *System) AlarmCounts() []health.Count { return s.health.Counts() }

// judge sets an alarm that exists at most once, or clears it when why is empty.
func (s *System) judge(w *health.Warnable, why string) {
	if why == "" {
		s.health.Clear(w, "")
		return
	}
	s.health.Set(w, health.Args{"why": why})
}

// watch looks at what no engine reports by itself, and keeps its alarms until ctx ends.
func (s *System) watch(ctx context.Context) error {
	every := time.NewTicker(watch.Every)
	defer every.Stop()
	var compared *config.Config // with the startup-config
	for n := 0; ; n++ {
		s.watchStore()
		s.watchSockets()
		box := s.System()
		s.seePartner()
		seen := s.sight(box)
		s.eye.Look(seen)
		s.trend.Look(s.sample(box, seen))
		if n%4 == 0 {
			s.eye.Certificates(s.Running(), s, time.Now())
		}
		if cfg := s.Running(); n%20 == 0 {
			images, _ := s.Images(ctx) // without an installer there are none
			s.eye.Images(images.Slots)
			if cfg != compared || s.health.Active(health.Unsaved) {
				s.eye.Saved(s.saved(cfg))
				compared = cfg
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// sight is what the watch sees now. What cannot be read is in the log, and empty.
func (s *System) sight(box status.System) watch.Sight {
	neighbours, err := s.Neighbours()
	if err != nil {
		s.log.Warn("neighbours not read", "err", err)
	}
	return watch.Sight{
		Now: time.Now(), Config: s.acting(s.Running()), Registrations: s.Registrations(), Peers: s.Peers(), Calls: s.Calls(), Clock: s.Clock(), Overload: s.sip.Overload(),
		Pools: s.licenses.Table(), Peaks: s.licenses.Peaks(), Bans: s.bans.All(time.Now()), Network: s.network(), Neighbours: neighbours, Temperature: box.Temperature, Flash: box.Flash,
		Phones: watchedPhones{s},
	}
}

// sample is what the trend keeps of the same moment.
func (s *System) sample(box status.System, seen watch.Sight) trend.Sample {
	ended, failed := s.traffic.Ended()
	return trend.Sample{
		At: seen.Now.Sub(s.start), Calls: len(seen.Calls), Ended: ended, Failed: failed, Pools: seen.Pools, Registrations: seen.Registrations, Peers: seen.Peers,
		Processors: box.Processors, Memory: box.Memory, RAM: box.RAM,
	}
}

// saved reports whether the next start takes the same configuration.
func (s *System) saved(cfg *config.Config) bool {
	if s.o.ConfigFile != "" {
		return true // it is written elsewhere, and on purpose
	}
	text, err := s.store.Startup()
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(s.factoryText()), nil
	}
	if err != nil {
		return false
	}
	saved, _ := s.o.Language.Parse(text)
	next, now := *saved, *cfg
	if next.PasswordEncryption != now.PasswordEncryption {
		return false
	}
	next.PasswordEncryption, now.PasswordEncryption = false, false // what is sealed anew is never the same text
	return bytes.Equal(s.o.Language.Print(&next, false), s.o.Language.Print(&now, false))
}

const askEvery = 20 * time.Second

// askNames asks the name servers for a peer now and then, past the cache: that they are silent is to be known before an answer becomes old.
func (s *System) askNames(ctx context.Context) error {
	every := time.NewTicker(askEvery)
	defer every.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		if hosts := peersByName(s.Running()); len(hosts) > 0 {
			_, _ = s.resolver.Ask(ctx, hosts[n%len(hosts)]) // the resolver tells of silence, and the peer's probe of all else
		}
	}
}

// peersByName are the names of peers that the name servers know.
func peersByName(cfg *config.Config) (list []string) {
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if _, err := netip.ParseAddr(i.Remote.Host); i.Remote.Host != "" && err != nil && !slices.Contains(list, i.Remote.Host) {
				list = append(list, i.Remote.Host)
			}
		}
	}
	return list
}

// watchStore looks for files that cannot be used and for issuers that are not trusted.
func (s *System) watchStore() {
	var damaged []health.Args
	for _, err := range s.store.Problems() {
		damaged = append(damaged, health.Args{"why": err.Error()})
	}
	s.health.Replace(health.FileDamaged, damaged)
	s.health.Replace(health.UnknownIssuer, s.unknown.Alarms())
}

// watchSockets checks that some gateway has an open socket.
func (s *System) watchSockets() {
	if err := s.deaf(); err != nil {
		s.judge(health.Deaf, err.Error())
		return
	}
	s.health.Clear(health.Deaf, "")
}

// deaf returns why no gateway has an open socket although its address is there. Without an address the fault is in the network or in
// its configuration, and deaf returns nil.
func (s *System) deaf() error {
	var failed error
	for _, g := range s.sip.Gateways() {
		for _, i := range g.Interfaces {
			for _, l := range i.Listeners {
				switch l.State {
				case status.ListenerOpen:
					return nil
				case status.ListenerFailed:
					failed = errors.New(l.Error)
				}
			}
		}
	}
	return failed
}

// watchGateways checks that there is a gateway. It runs when the configuration changes.
func (s *System) watchGateways(n int) {
	if n > 0 {
		s.health.Clear(health.NoGateway, "")
		return
	}
	s.health.Set(health.NoGateway, nil)
}

// watchPorts checks the links of the ports. It runs when a link or the configuration changes.
func (s *System) watchPorts(cfg *config.Config) {
	st, err := s.net.State(cfg)
	if err != nil {
		s.log.Warn("network state not read", "err", err)
		return
	}
	s.eye.Ports(st)
}
