package lab

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/status"

	"github.com/vishvananda/netlink"
)

// A fault is put into a world in which calls work. `check all` must name its cause as the first failed step, with a cure that makes calls work
// again, and `show alarms` must show it within alarmTime, and clear it within alarmTime after the cure.
type fault struct {
	name  string
	plant func(r *running)
	bites func(r *running) error // why no call works; nil: calls go on, as when one hub of three is down

	step    string   // the first failed step, and its subject
	problem string   // in its text
	alarm   string   // its id
	tells   []string // in the alarm's text and advice

	advice []string         // what the cure in words must name
	lines  bool             // the cure is pasted as it stands
	cure   func(r *running) // follows the cure in words
	after  func(r *running) // what the test itself has to clear up
}

// alarmTime is the longest that the box may take to raise or clear an alarm.
const alarmTime = 90 * time.Second

// TestFaults has one world for each group of faults, at the same time: they wait more than they work.
func TestFaults(t *testing.T) {
	for name, list := range map[string][]fault{
		"names": nameFaults, "certificates": certificateFaults, "hubs": hubFaults, "network": networkFaults, "pbx": pbxFaults, "calls": callFaults, "clock": clockFaults,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunning(t)
			r.patience(10 * time.Minute)
			// OPTIONS come more often than in the reference configuration, so that the test does not wait for minutes.
			r.start(Setup{}, "interval 60 timeout 60", "interval 15 timeout 15")
			for _, f := range list {
				if !t.Run(f.name, func(t *testing.T) { r.suffer(t, f) }) {
					break // the world is not as the next fault wants it
				}
			}
		})
	}
}

// suffer goes through a fault.
func (r *running) suffer(t *testing.T, f fault) {
	world := r.t
	r.t = t
	defer func() { r.t = world }()
	r.eventually("calls work before", r.works)
	r.eventually("no alarm of it before", func() error { return r.raised(f.alarm, false) })
	r.suffering = true
	planted := time.Now()
	f.plant(r)
	if f.bites != nil {
		r.eventuallySince(planted, "no call works", func() error { return f.bites(r) })
	} else {
		r.eventuallySince(planted, "calls go on", r.works)
	}
	alarm := r.eventuallySince(planted, "the alarm "+f.alarm, func() error { return r.raised(f.alarm, true) })
	for _, word := range f.tells {
		if !strings.Contains(alarm, word) {
			t.Errorf("show alarms does not tell %q:\n%s", word, alarm)
		}
	}

	step, found := r.firstFailed()
	if !found {
		t.Fatalf("check all finds nothing wrong")
	}
	if got := strings.TrimSpace(step.ID + " " + step.Subject); got != f.step || !strings.Contains(step.Problem, f.problem) {
		t.Errorf("check all: %s: %s. Want %s: %s", got, step.Problem, f.step, f.problem)
	}
	for _, word := range f.advice {
		if !strings.Contains(step.Advice, word) {
			t.Errorf("the cure does not name %q: %s", word, step.Advice)
		}
	}

	cured := time.Now()
	if f.lines {
		if len(step.Cure) == 0 {
			t.Fatalf("there are no lines to paste: %+v", step)
		}
		if out, err := r.box.Paste(r.ctx, "enable\n"+strings.Join(step.Cure, "\n")+"\n"); err != nil {
			t.Fatalf("the cure: %v\n%s", err, out)
		}
	}
	if f.cure != nil {
		f.cure(r)
	}
	r.eventuallySince(cured, "calls work after the cure", r.works)
	r.eventuallySince(cured, "the alarm is cleared", func() error { return r.raised(f.alarm, false) })
	if step, found := r.firstFailed(); found {
		t.Errorf("check all still finds: %+v", step)
	}
	if f.after != nil {
		f.after(r)
	}
}

// eventually waits for something that is not the fault's own.
func (r *running) eventually(what string, holds func() error) {
	r.t.Helper()
	r.eventuallySince(time.Now(), what, holds)
}

// eventuallySince waits until something holds, alarmTime after a moment at most, and returns the present alarms.
func (r *running) eventuallySince(t time.Time, what string, holds func() error) string {
	r.t.Helper()
	for {
		err := holds()
		if err == nil {
			text, _ := r.box.Exec(r.ctx, "show alarms")
			return strings.Join(strings.Fields(text), " ")
		}
		if time.Since(t) > alarmTime {
			text, _ := r.box.Exec(r.ctx, "show alarms")
			r.t.Fatalf("%s: not within %v: %v\n%s", what, alarmTime, err, text)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.ctx.Done():
			r.t.Fatalf("%s: %v", what, err)
		}
	}
}

// works makes a call each way, with voice in both directions.
func (r *running) works() error {
	ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
	defer cancel()
	out, err := r.Teams.Call(ctx, Dial{})
	if err != nil {
		return err
	}
	if err := talks(ctx, out, r.Starface.NextCall, StarfaceTone, TeamsTone); err != nil {
		return fmt.Errorf("from Teams: %w", err)
	}
	if out, err = r.Starface.Call(ctx, Ring{}); err != nil {
		return err
	}
	if err := talks(ctx, out, r.Teams.NextCall, TeamsTone, StarfaceTone); err != nil {
		return fmt.Errorf("from the PBX: %w", err)
	}
	return nil
}

// talks waits until a call is up and its sides hear these tones, and hangs up.
func talks(ctx context.Context, out *Call, next func(context.Context) (*Call, error), caller, callee float64) error {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // nobody has to wait for a call that is over
		select {
		case <-out.Over():
			cancel()
		case <-limited.Done():
		}
	}()
	in, err := next(limited)
	for err == nil && isOver(in) {
		in, err = next(limited) // that one is of an attempt before, which nobody waited for
	}
	if err != nil {
		_ = out.Hangup(ctx)
		select {
		case <-out.Over():
			return fmt.Errorf("%d %s %s", out.End().Code, out.End().Reason, out.End().Cause)
		default:
			return err
		}
	}
	defer func() { _ = out.Hangup(ctx) }()
	if err := errors.Join(out.WaitUp(ctx), in.WaitUp(ctx)); err != nil {
		return err
	}
	return errors.Join(hears(ctx, "the caller", out.Audio, caller), hears(ctx, "the callee", in.Audio, callee))
}

func hears(ctx context.Context, who string, a *Audio, hz float64) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	tone, err := a.Listen(ctx, 200*time.Millisecond)
	if err == nil && (tone.Hz < hz-2 || tone.Hz > hz+2) {
		err = fmt.Errorf("%v Hz", tone.Hz)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	return nil
}

// noCall wants that no call works in a direction.
func noCall(r *running, from string, call func(ctx context.Context) (*Call, error), next func(context.Context) (*Call, error)) error {
	ctx, cancel := context.WithTimeout(r.ctx, 45*time.Second)
	defer cancel()
	out, err := call(ctx)
	if err != nil {
		return nil
	}
	if err := talks(ctx, out, next, StarfaceTone, StarfaceTone); err == nil || out.End().Code == 0 && ctx.Err() == nil && isUp(out) {
		return fmt.Errorf("a call from %s works", from)
	}
	return nil
}

func isOver(c *Call) bool {
	select {
	case <-c.Over():
		return true
	default:
		return false
	}
}

func isUp(c *Call) bool {
	select {
	case <-c.Up():
		return true
	default:
		return false
	}
}

func noneFromTeams(r *running) error {
	return noCall(r, "Teams", func(ctx context.Context) (*Call, error) { return r.Teams.Call(ctx, Dial{}) }, r.Starface.NextCall)
}

func noneFromPBX(r *running) error {
	return noCall(r, "the PBX", func(ctx context.Context) (*Call, error) { return r.Starface.Call(ctx, Ring{}) }, r.Teams.NextCall)
}

// status asks the box for a part of its state.
func (r *running) status(part string, to any) error {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, "http://box"+wire.PathStatus+"/"+part, nil)
	if err != nil {
		return err
	}
	resp, err := r.box.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// raised wants that an alarm is there, or that none is.
func (r *running) raised(id string, want bool) error {
	var alarms []health.Alarm
	if err := r.status("alarms", &alarms); err != nil {
		return err
	}
	if slices.ContainsFunc(alarms, func(a health.Alarm) bool { return a.ID == id }) != want {
		return fmt.Errorf("alarm %s raised: %v", id, !want)
	}
	return nil
}

// firstFailed is the first failed step of `check all`.
func (r *running) firstFailed() (status.CheckStep, bool) {
	r.t.Helper()
	text, err := r.box.Exec(r.ctx, "check all json")
	var c status.Checkup
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	if err != nil || len(c.Steps) == 0 {
		r.t.Fatalf("check all: %v\n%s", err, text)
	}
	n := slices.IndexFunc(c.Steps, func(s status.CheckStep) bool { return s.State == status.CheckFailed })
	if n < 0 {
		return status.CheckStep{}, false
	}
	return c.Steps[n], true
}

// paste types lines of the configuration.
func (r *running) paste(lines ...string) {
	r.t.Helper()
	if out, err := r.box.Paste(r.ctx, "enable\n"+strings.Join(lines, "\n")+"\n"); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}

// The name server.
var nameFaults = []fault{
	{
		name: "silent", plant: func(r *running) { r.DNS.SetSilent(true) },
		step: "name-servers 192.168.1.53", problem: "does not answer", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "name-servers-silent", tells: []string{"192.168.1.53 does not answer"},
		cure: func(r *running) { r.DNS.SetSilent(false) },
	},
	{
		name: "wrong", bites: noneFromPBX,
		plant: func(r *running) {
			for _, site := range sites {
				r.DNS.Remove(site.name)
			}
		},
		step: "name-servers 192.168.1.53", problem: "there is no sip.pstnhub.microsoft.com", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "destinations-lost", tells: []string{"no such name", "sip3.pstnhub.microsoft.com"},
		cure: namesAreRight,
	},
	{
		name: "lying", bites: noneFromPBX,
		plant: func(r *running) {
			for _, site := range sites {
				r.DNS.Set(site.name, StrangerAddr)
			}
		},
		step: "name-servers 192.168.1.53", problem: StrangerAddr.String() + " for sip.pstnhub.microsoft.com", advice: []string{"dns-client server", "192.168.1.53"},
		alarm: "destinations-lost", tells: []string{StrangerAddr.String()},
		cure: namesAreRight,
	},
}

func namesAreRight(r *running) {
	for _, site := range sites {
		r.DNS.Set(site.name, site.addr)
	}
}

// shows has the box show a certificate, with its key and its chain.
func (r *running) shows(name string, key crypto.Signer, leaf *x509.Certificate) {
	r.t.Helper()
	text, err := KeyPEM(key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.paste("import pki:certificate/"+name, string(CertificatePEM(leaf.Raw)), "", "import pki:private-key/"+name+".key", string(text), "",
		"configure", "profile tls pf_tls_default", "private-key pki:private-key/"+name+".key", "own-certificate 1 pki:certificate/"+name, "end")
}

// publicCertificate is one that a public authority issues for the box now, for its RSA key.
func (r *running) publicCertificate() *x509.Certificate {
	r.t.Helper()
	next, err := r.PKI.IssueBox(r.PKI.Box.PrivateKey.(crypto.Signer), SBCName)
	if err != nil {
		r.t.Fatal(err)
	}
	return next.Leaf
}

// rightCertificate follows the words.
func rightCertificate(r *running) {
	r.shows("GOOD", r.PKI.Box.PrivateKey.(crypto.Signer), r.publicCertificate())
}

// What the box shows Teams.
var certificateFaults = []fault{
	{
		name: "expired", bites: noneFromPBX,
		plant: func(r *running) {
			old, err := r.PKI.boxIssuer.issue(r.PKI.Box.PrivateKey.(crypto.Signer), time.Now().AddDate(0, -6, -5), x509.ExtKeyUsageServerAuth, SBCName)
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("OLD", r.PKI.Box.PrivateKey.(crypto.Signer), old.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "has expired", advice: []string{"import pki:certificate/OLD", SBCName},
		alarm: "certificate-expired", tells: []string{"OLD has expired"},
		cure: rightCertificate,
	},
	{
		name: "wrong name", bites: noneFromPBX,
		plant: func(r *running) {
			other, err := r.PKI.IssueBox(r.PKI.Box.PrivateKey.(crypto.Signer), "sbc.andere.de")
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("OTHER", r.PKI.Box.PrivateKey.(crypto.Signer), other.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "sbc.andere.de", advice: []string{"import pki:certificate/OTHER", SBCName},
		alarm: "certificate-unfit", tells: []string{"is for sbc.andere.de, not for " + SBCName},
		cure: rightCertificate,
	},
	{
		name: "EC key", bites: noneFromTeams, // as a client the box may show any
		plant: func(r *running) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				r.t.Fatal(err)
			}
			ec, err := r.PKI.IssueBox(key, SBCName)
			if err != nil {
				r.t.Fatal(err)
			}
			r.shows("ELLIPTIC", key, ec.Leaf)
		},
		step: "certificate profile tls pf_tls_default", problem: "RSA", advice: []string{"RSA key", "import pki:certificate/ELLIPTIC"},
		alarm: "certificate-unfit", tells: []string{"Microsoft Teams takes RSA only"},
		cure: rightCertificate,
	},
	{
		name: "chain incomplete", bites: noneFromPBX,
		plant: func(r *running) { r.paste("configure", "profile tls pf_tls_default", "no own-certificate 2", "end") },
		step:  "certificate profile tls pf_tls_default", problem: "the chain is incomplete", advice: []string{"with its chain, leaf first"},
		alarm: "certificate-unfit", tells: []string{"Lab Public Issuer"},
		cure: func(r *running) { // with its chain, leaf first
			next := r.publicCertificate()
			r.paste("import pki:certificate/GOOD", string(CertificatePEM(next.Raw))+string(r.PKI.BoxChainPEM()), "")
		},
	},
}

// Teams.
var hubFaults = []fault{
	{
		name: "issuer unknown", bites: noneFromPBX,
		plant: func(r *running) {
			r.paste("configure", "profile tls pf_tls_default", "no trusted-certificate pki:certificate/TEAMSROOT", "end")
		},
		step: "tls sip.pstnhub.microsoft.com", problem: "Lab Root For Teams", advice: []string{"fingerprint"},
		alarm: "unknown-issuer", tells: []string{"pki trust add"}, lines: true,
	},
	{
		name: "one hub down", plant: func(r *running) { r.Teams.Hubs[0].Stop() },
		step: "tcp sip.pstnhub.microsoft.com", problem: "refused", advice: []string{"Microsoft's"},
		alarm: "peer-silent", tells: []string{"sip.pstnhub.microsoft.com"},
		cure: hubsAreUp,
	},
	{
		name: "all hubs down", bites: noneFromPBX,
		plant: func(r *running) {
			for _, h := range r.Teams.Hubs {
				h.Stop()
			}
		},
		step: "reach eth01", problem: "no hub of Teams answers", advice: []string{"TCP 5061", "52.112.0.0/14"},
		alarm: "destinations-lost", tells: []string{"none of the 3 destinations"},
		cure: hubsAreUp,
	},
	{
		name: "the hubs answer 403", bites: noneFromPBX, plant: func(r *running) { r.Teams.Pair("sbc.andere.de") },
		step: "options sip.pstnhub.microsoft.com", problem: "403", advice: []string{"New-CsOnlinePSTNGateway -Fqdn " + SBCName},
		alarm: "peer-refuses", tells: []string{"403", "admin center"},
		cure: func(r *running) { r.Teams.Pair(SBCName) },
	},
}

func hubsAreUp(r *running) {
	for _, h := range r.Teams.Hubs {
		if err := h.Start(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The way to Teams.
var networkFaults = []fault{
	{
		name: "gateway gone", bites: noneFromPBX, plant: func(r *running) { r.router(false) },
		step: "router eth01", problem: "does not answer, not even to ARP", advice: []string{"route 0.0.0.0/0 gateway"},
		alarm: "gateway-silent", tells: []string{GatewayAddr.String() + " at port eth01 does not answer ARP"},
		cure: func(r *running) { r.router(true) },
	},
	{
		name: "MTU black hole", bites: noneFromPBX,
		plant: func(r *running) {
			// The kernel would hand segments of 64 KiB from one side of a veth to the other.
			if err := errors.Join(r.segments(r.Box, "eth01"), r.segments(r.WAN, "wan0")); err != nil {
				r.t.Fatal(err)
			}
			r.nft(r.WAN, "add table ip hole", "add chain ip hole in { type filter hook prerouting priority -300; }", "add chain ip hole out { type filter hook postrouting priority 300; }",
				"add rule ip hole in iifname wan0 ip length > 1400 drop", "add rule ip hole out oifname wan0 ip length > 1400 drop")
			for _, h := range r.Teams.Hubs { // what is small comes through on connections that are there already
				h.Stop()
			}
			hubsAreUp(r)
		},
		step: "mtu eth01", problem: "packets of more than 1400 octets vanish", advice: []string{"fragmentation needed"},
		alarm: "path-mtu", tells: []string{"mtu", "large ones are lost"}, lines: true,
		after: func(r *running) { r.nft(r.WAN, "delete table ip hole") },
	},
}

// router has the provider's router answer, or not.
func (r *running) router(there bool) {
	r.t.Helper()
	if err := r.WAN.edit(func(h *netlink.Handle) error {
		if there {
			return addresses(h, "wan0", 28, GatewayAddr)
		}
		link, err := h.LinkByName("wan0")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(GatewayAddr.String() + "/28")
		if err != nil {
			return err
		}
		return h.AddrDel(link, a)
	}); err != nil {
		r.t.Fatal(err)
	}
}

// segments has a device send what TCP makes, in packets.
func (r *running) segments(n *Namespace, device string) error {
	return n.edit(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetGSOMaxSegs(link, 1), h.LinkSetGROMaxSize(link, 1500))
	})
}

// nft changes the packet filter of a network.
func (r *running) nft(n *Namespace, lines ...string) {
	r.t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := n.Start(cmd)
	if err == nil {
		err = p.Wait()
	}
	if err != nil {
		r.t.Fatalf("nft: %v\n%s", err, &out)
	}
}

// The PBX.
var pbxFaults = []fault{
	{
		name: "silent", bites: noneFromTeams, plant: func(r *running) { r.Starface.SetOffline(true) },
		step: "sip starface.meinefirma.de", problem: "does not answer OPTIONS", advice: []string{"Start the PBX"},
		alarm: "registration-failed", tells: []string{"starface.meinefirma.de"},
		cure: func(r *running) { r.Starface.SetOffline(false) },
	},
	{
		name: "password changed", bites: noneFromTeams, plant: func(r *running) { r.Starface.SetPassword("user.01", "einneuespasswort") },
		step: "registrations starface.meinefirma.de", problem: "user.01", advice: []string{"authentication-service", "username user.01 password"},
		alarm: "registration-failed", tells: []string{"user.01", "403 Forbidden", "register now"},
		cure: func(r *running) {
			r.paste("configure", "authentication-service as_starface-sipaccounts", "username user.01 password einneuespasswort", "end", "register now")
		},
	},
}

// Calls.
var callFaults = []fault{
	{
		name: "codec refused", bites: noneFromTeams,
		plant: func(r *running) {
			r.paste("configure", "profile voip pf_voip_starface", "no codec 1", "codec 1 g711ulaw64k", "end")
		},
		step: "codecs starface.meinefirma.de", problem: "488", advice: []string{"codec N g711alaw64k", "profile voip pf_voip_starface"},
		alarm: "codec-refused", tells: []string{"if_sip_starface", "488", "profile voip"},
		cure: func(r *running) { r.paste("configure", "profile voip pf_voip_starface", "codec 2 g711alaw64k", "end") },
	},
	{
		name: "voice blocked one way",
		plant: func(r *running) {
			r.nft(r.WAN, "add table ip hole", "add chain ip hole out { type filter hook postrouting priority 300; }", "add rule ip hole out oifname wan0 meta l4proto udp drop")
		},
		bites: func(r *running) error {
			out, err := r.Teams.Call(r.ctx, Dial{})
			if err != nil {
				return err
			}
			in, err := r.Starface.NextCall(r.ctx)
			for err == nil && isOver(in) {
				in, err = r.Starface.NextCall(r.ctx)
			}
			if err != nil {
				return err
			}
			defer func() { _ = out.Hangup(r.ctx) }()
			if err := errors.Join(out.WaitUp(r.ctx), hears(r.ctx, "Teams", out.Audio, StarfaceTone)); err != nil {
				return err
			}
			if hears(r.ctx, "the PBX", in.Audio, TeamsTone) == nil {
				return errors.New("the PBX hears Teams")
			}
			r.eventually("the alarm", func() error { return r.raised("voice-one-way", true) }) // while the call lasts
			return nil
		},
		step: "voice sip.pstnhub.microsoft.com", problem: "voice of", advice: []string{"Let UDP ", "52.112.0.0/14"},
		alarm: "voice-one-way", tells: []string{"if_sip_microsoft-directrouting-primary sends no voice"},
		cure: func(r *running) { r.nft(r.WAN, "delete table ip hole") },
	},
	{
		name: "licenses used up",
		plant: func(r *running) {
			for range 4 {
				out, in := r.fromPBX(Ring{})
				r.held = append(r.held, [2]*Call{out, in})
			}
		},
		bites: noneFromPBX, step: "licenses", problem: "all 4 licenses sip-sessions are in use", advice: []string{"install license"},
		alarm: "licenses-used-up", tells: []string{"all 4 licenses sip-sessions are in use"},
		cure: func(r *running) {
			authority, keys, err := r.Licenses(map[license.Kind]int{license.SIPSessions: 20, license.SRTPChannels: 20})
			if err != nil {
				r.t.Fatal(err)
			}
			r.paste("configure", authority, keys+"end")
		},
		after: func(r *running) {
			for _, c := range r.held {
				r.end(c[0], c[1])
			}
			r.ended()
		},
	},
}

// The time. Calls go on: the simulated box may not set this machine's clock, so the difference is all that it sees. The cure is the one for a
// server that lies.
var clockFaults = []fault{{
	name: "wrong", plant: func(r *running) { r.NTP.Lie(48 * time.Hour) },
	step: "clock", problem: "48h0m0s", advice: []string{"clock sync", "If they lie, name others"},
	alarm: "time-distrusted", tells: []string{NTPName},
	cure: func(r *running) {
		other, err := newNTP(r.ctx, r.LAN, netip.AddrPortFrom(LANPeerAddr, 123))
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { other.close() })
		r.paste("configure", "sntp-client server primary "+LANPeerAddr.String(), "end")
	},
}}
