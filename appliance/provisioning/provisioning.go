// Package provisioning gives phones in the LAN their settings: files by HTTP and TFTP, from templates, and the URL of them to phones that ask the
// whole network (SIP plug and play). It passes on files of configured hosts whose certificates old phones cannot verify.
//
// It owns the sockets, who gets which file, what the files say, and which addresses phones have fixed. It does not own the accounts, which are the
// configuration's, nor what phones do with them (registrar). Files hold passwords, so that all of it is closed until somebody opens it: a file goes to
// the configured address and hardware address, or to those that fetch it first in an opened window; every other answer is the same, after the same time.
//
// Goroutines: Run's own, and one a socket, for which it waits; net/http's one a connection, package tftp's one a transfer, both bounded, which end
// with their sockets; a timer ends an opened window.
package provisioning

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/places"
	"viaduct/appliance/provisioning/pnp"
	"viaduct/appliance/provisioning/tftp"
	"viaduct/appliance/status"
)

// Options configure a Server.
type Options struct {
	Log        *slog.Logger
	Health     *health.Tracker
	Config     func() *config.Config                     // in force, with the addresses from DHCP; asked every second and for each file
	Sealed     func(config.Secret) bool                  // a secret that cannot be opened
	Neighbours func() ([]status.Neighbour, error)        // what the kernel knows of hosts on the attached networks
	Root       func() (*x509.Certificate, error)         // root of the internal CA; fs.ErrNotExist: there is none
	Transport  func() http.RoundTripper                  // to hosts whose files are passed on: it verifies them
	Load       func(parse func(text []byte) error) error // what Save kept, which are the addresses of phones
	Save       func(text []byte) error

	LoadTemplate  func(name string) ([]byte, error) // nil: there is none
	SaveTemplate  func(name string, text []byte) error
	EraseTemplate func(name string) error

	Ask   func(netip.Addr) error // has the kernel ask a neighbour for its hardware address again, see Neighbours
	Knock func(netip.Addr)       // has the kernel ask a host for its hardware address; nil: by a packet to a port where nobody waits
}

const (
	lookEvery = time.Second
	// refusedAfter is how long who is refused waits, whatever the reason. It slows guesses down and hides what was looked up.
	refusedAfter = time.Second

	maxConnections = 128
	maxOfSource    = 8
)

// Names of the root certificate.
const (
	rootPEM = "ca.pem"
	rootDER = "ca.der"
)

// Server serves phones. New makes one.
type Server struct {
	o         Options
	access    *access
	templates *templates
	upstream  *upstream
	places    places.Book
	open      map[socket]*listener
	serving   sync.WaitGroup
	failed    atomic.Pointer[map[string]string] // why services do not serve, by name
}

// socket is one of config.ProvisioningSockets.
type socket struct {
	service, word string
	at, local     netip.AddrPort
}

// listener is a socket that is open.
type listener struct {
	close func()
	ended atomic.Bool
}

// New returns a Server that serves nothing before Run.
func New(o Options) *Server {
	if o.Knock == nil {
		o.Knock = knock
	}
	return &Server{o: o, access: newAccess(o), templates: newTemplates(o), upstream: newUpstream(o), open: map[socket]*listener{},
		places: places.Book{All: maxConnections, OfSource: maxOfSource}}
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.access.close(0, "")
	defer s.serving.Wait()
	defer func() {
		for _, l := range s.open {
			l.close()
		}
		clear(s.open)
	}()
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	var before *config.Config
	for {
		if cfg := s.o.Config(); cfg != before || s.troubled() {
			s.follow(ctx, cfg)
			before = cfg
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// troubled reports whether a socket is missing or has ended.
func (s *Server) troubled() bool {
	if failed := s.failed.Load(); failed != nil && len(*failed) > 0 {
		return true
	}
	for _, l := range s.open {
		if l.ended.Load() {
			return true
		}
	}
	return false
}

// follow opens what the configuration asks for, and closes the rest.
func (s *Server) follow(ctx context.Context, cfg *config.Config) {
	s.access.forget(cfg)
	s.upstream.forget(cfg)
	wanted := map[socket]bool{}
	for _, x := range cfg.ProvisioningSockets() {
		wanted[socket{x.Service.Name, x.Word, x.At, x.Local}] = true
	}
	for k, l := range s.open {
		if !wanted[k] || l.ended.Load() {
			l.close()
			delete(s.open, k)
		}
	}
	failed := map[string]string{}
	for _, p := range cfg.Provisioning {
		if _, why := cfg.ProvisioningAddress(p); p.Enabled && why != "" {
			failed[p.Name] = why
		}
	}
	for k := range wanted {
		if s.open[k] != nil {
			continue
		}
		l, err := s.listen(ctx, k)
		if err != nil {
			failed[k.service] = err.Error()
			continue
		}
		s.open[k] = l
	}
	s.failed.Store(&failed)
	var all []health.Args
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		all = append(all, health.Args{"service": name, "why": failed[name]})
	}
	s.o.Health.Replace(health.ProvisioningDown, all)
}

// listen opens a socket and serves it.
func (s *Server) listen(ctx context.Context, k socket) (*listener, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &listener{close: cancel}
	serve := func(f func() error) {
		s.serving.Go(func() {
			defer l.ended.Store(true)
			if err := f(); err != nil && ctx.Err() == nil {
				s.o.Log.Warn("socket for phones ended", "protocol", k.word, "err", err)
			}
		})
	}
	var err error
	switch k.word {
	case "http":
		var at net.Listener
		if at, err = new(net.ListenConfig).Listen(ctx, "tcp", k.at.String()); err == nil {
			server := s.server(k)
			l.close = func() {
				cancel()
				server.Close()
			}
			serve(func() error { return server.Serve(places.Limit(at, &s.places)) })
		}
	case "tftp":
		var at *net.UDPConn
		if at, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(k.at)); err == nil {
			serve(func() error {
				return tftp.Serve(ctx, at, func(ctx context.Context, name string, from netip.AddrPort) ([]byte, bool) {
					return s.byTFTP(ctx, k, name, from.Addr())
				})
			})
		}
	case "sip-pnp":
		var group *pnp.Responder
		if group, err = pnp.Join(k.at, k.local.Addr()); err == nil {
			serve(func() error { return group.Serve(ctx, func(d pnp.Device) string { return s.urlFor(k, d) }) })
		}
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", k.word, err)
	}
	return l, nil
}

// names of files that phones ask for, in small letters.
var (
	phoneFile  = regexp.MustCompile(`^([0-9a-f]{12})\.(cfg|boot|xml)$`)
	commonFile = regexp.MustCompile(`^y[0-9]{12}\.(cfg|boot)$`)
	snomFile   = regexp.MustCompile(`^snom[a-z0-9]{1,12}?(?:-([0-9a-f]{12}))?\.(?:htm|xml)$`)
)

// content is a file.
type content struct {
	text []byte
	kind string // of HTTP
}

// file finds the file that is asked for. Every error is answered alike.
func (s *Server) file(k socket, q ask) (content, error) {
	cfg := s.o.Config()
	p, name := config.Ref[config.Config, config.ProvisioningService]{Name: k.service}.In(cfg), strings.ToLower(q.file)
	if p == nil || !p.Enabled {
		return content{}, errUnknownFile
	}
	root, err := s.o.Root()
	if err != nil {
		root = nil
	}
	v := common(cfg, p, k.local, root != nil, time.Now())
	switch {
	case name == rootPEM && root != nil:
		return content{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), "application/x-pem-file"}, nil
	case name == rootDER && root != nil:
		return content{root.Raw, "application/pkix-cert"}, nil
	case strings.HasPrefix(name, "y") && commonFile.MatchString(name):
		if strings.HasSuffix(name, ".boot") {
			return boot(commonName), nil
		}
		return s.fill("yealink-common", v)
	}
	if m := snomFile.FindStringSubmatch(name); m != nil {
		if m[1] == "" {
			return s.fill("snom-common", v)
		}
		return s.own(cfg, p, k, v, config.MAC(m[1]), "snom", q)
	}
	if m := phoneFile.FindStringSubmatch(name); m != nil {
		makers := "yealink"
		if m[2] == "xml" {
			makers = "snom gigaset"
		}
		if m[2] != "boot" {
			return s.own(cfg, p, k, v, config.MAC(m[1]), makers, q)
		}
		if _, err := s.own(cfg, p, k, v, config.MAC(m[1]), makers, q); err != nil {
			return content{}, err
		}
		return boot(commonName, m[1]+".cfg"), nil
	}
	return content{}, errUnknownFile
}

// commonName is the common file of all models of Yealink, which the file that names the others names.
const commonName = "y000000000000.cfg"

// boot is the file that tells a Yealink which files to fetch, in this order.
func boot(files ...string) content {
	text := yealinkHead
	for _, f := range files {
		text += "include:config \"" + f + "\"\n"
	}
	return content{[]byte(text), lines.kind}
}

// own makes the file of one phone, for who may have it.
func (s *Server) own(cfg *config.Config, p *config.ProvisioningService, k socket, v Values, m config.MAC, makers string, q ask) (c content, err error) {
	var x *phone
	for _, y := range phonesOf(p) {
		if y.mac == m {
			x = &y
		}
	}
	err = s.access.admit(m, x, q)
	if err == nil && !slices.Contains(strings.Fields(makers), x.maker()) {
		err = errWrongMaker
	}
	if err == nil {
		if v, err = settings(cfg, p, *x, v, k.local, s.o.Sealed); err == nil {
			c, err = s.fill(x.maker(), v)
		}
	}
	s.access.note(m, x != nil, q, err)
	return c, err
}

func (s *Server) fill(template string, v Values) (content, error) {
	text, err := s.templates.fill(template, v)
	maker, _, _ := strings.Cut(template, "-")
	return content{text, forms[maker].kind}, err
}

// byTFTP serves TFTP, whose clients say nothing of themselves.
func (s *Server) byTFTP(ctx context.Context, k socket, name string, from netip.Addr) ([]byte, bool) {
	began := time.Now()
	c, err := s.file(k, ask{from: from, file: strings.TrimPrefix(name, "/"), protocol: "tftp"})
	if err != nil {
		wait(ctx, began)
		return nil, false
	}
	return c.text, true
}

// wait makes every refusal take as long.
func wait(ctx context.Context, began time.Time) {
	t := time.NewTimer(refusedAfter - time.Since(began))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// urlFor is what a phone is told that asks the whole network. A Yealink appends names to it, others want to be told the file.
func (s *Server) urlFor(k socket, d pnp.Device) string {
	url := common(s.o.Config(), &config.ProvisioningService{}, k.local, false, time.Now()).URL
	m, ok := parseMAC(d.MAC)
	switch strings.ToLower(d.Vendor) {
	case "snom":
		if ok {
			return url + strings.ToUpper(string(m)) + ".xml"
		}
	case "gigaset", "siemens":
		if ok {
			return url + string(m) + ".xml"
		}
	}
	return url
}

// knock sends a packet that nobody waits for.
func knock(to netip.Addr) {
	const discard = 9
	if c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, discard))); err == nil {
		c.Write([]byte{0})
		c.Close()
	}
}

// MaxWindow is the longest time for which phones may fetch for the first time.
const MaxWindow = 2 * time.Hour

// Open lets phones fetch for the first time for a while, and returns until when.
func (s *Server) Open(d time.Duration, by string) (time.Time, error) {
	if d <= 0 || d > MaxWindow {
		return time.Time{}, fmt.Errorf("a window is open for 1 to %d minutes", int(MaxWindow/time.Minute))
	}
	if !slices.ContainsFunc(s.o.Config().Provisioning, func(p *config.ProvisioningService) bool { return p.Enabled }) {
		return time.Time{}, errors.New("there is no provisioning-service that is not shut down")
	}
	return s.access.open(d, by), nil
}

// Close ends that; false: nothing was open.
func (s *Server) Close(by string) bool { return s.access.close(0, by) }

// Template is one of TemplateNames, as it is.
func (s *Server) Template(name string) (status.ProvisioningTemplate, error) {
	return s.templates.get(name)
}

// ImportTemplate takes an administrator's in its place, if it can be used, and EraseTemplate the built-in one.
func (s *Server) ImportTemplate(name string, text []byte) error {
	return s.templates.replace(name, append([]byte{}, text...))
}

func (s *Server) EraseTemplate(name string) error { return s.templates.replace(name, nil) }

// Bans lists who asked for files of other phones, and LiftBans forgets a source, or all of them, and returns how many.
func (s *Server) Bans() []status.Ban                 { return s.access.bans.All(time.Now()) }
func (s *Server) LiftBans(source netip.Addr) (n int) { return s.access.bans.Lift(source) }

// UserAgent is what the phone at an address said of itself when it last asked for its own file, printable and bounded; "" if none did.
func (s *Server) UserAgent(at netip.Addr) string { return s.access.userAgent(at) }

// Status is what phones have fetched.
func (s *Server) Status() (out status.Provisioning) {
	cfg := s.o.Config()
	var failed map[string]string
	if f := s.failed.Load(); f != nil {
		failed = *f
	}
	out.Open, out.OpenedBy, out.Strangers = s.access.known()
	for _, p := range cfg.Provisioning {
		x := status.ProvisioningService{Name: p.Name, TFTP: p.TFTP, PnP: p.PnP, Error: failed[p.Name]}
		switch {
		case !p.Enabled:
		case x.Error != "":
			x.State = status.ProvisioningFailed
		default:
			x.State = status.ProvisioningServing
		}
		if a, why := cfg.ProvisioningAddress(p); why == "" && (p.HTTP.Port != 0 || p.TFTP) {
			x.URL = common(cfg, p, netip.AddrPortFrom(a, p.HTTP.Port), false, time.Now()).URL
		}
		for _, y := range phonesOf(p) {
			x.Phones = append(x.Phones, s.access.describe(y))
		}
		out.Services = append(out.Services, x)
	}
	for _, name := range TemplateNames {
		if t, err := s.templates.get(name); err == nil {
			out.Templates = append(out.Templates, t.ProvisioningUsed)
		}
	}
	out.Upstreams = s.upstream.status()
	slices.SortFunc(out.Upstreams, func(a, b status.ProvisioningForeign) int { return cmp.Compare(a.Host, b.Host) })
	return out
}
