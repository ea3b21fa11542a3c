package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/web/page"
	"viaduct/appliance/wizard"
)

// reviewed is the step with the configuration.
type reviewed struct {
	Complete bool
	Text     string // of the configuration, without passwords
	Removed  []wizard.Line
	Added    []wizard.Line
	Stays    []wizard.Line // that the answers do not make
	Replace  bool
	Sum      string // of the configuration that runs
	Moves    string // where the page is found afterwards; "": where it is
	Minutes  int
	Said     string // what the box said when it refused
}

// way is how the change comes into the configuration.
func way(q *page.Request) bool {
	return q.Query("way") == "replace" || q.HTTP.PostForm.Get("way") == "replace"
}

func review(q *page.Request, d *draft) (r reviewed, err error) {
	r.Replace, r.Said = way(q), d.said
	if len(wizard.Check(d.Answers)) > 0 {
		return r, nil
	}
	now, err := running(q)
	if err != nil {
		return r, err
	}
	d.unasked(now)
	r.Complete, r.Text, r.Sum = true, wizard.Configuration(d.Answers, true), sum(now)
	r.Removed, r.Added = wizard.Difference(now, wizard.Read(now), d.Answers, r.Replace)
	if !r.Replace {
		r.Stays = wizard.Uncarried(now, d.Answers)
	}
	r.Moves, r.Minutes = moves(q, d.Answers, wizard.Read(now))
	return r, nil
}

// sum says whether a configuration is still the same.
func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:8])
}

// Minutes on trial: where the page moves, somebody has to find it again.
const (
	minutesHere  = 5
	minutesMoved = 10
)

// moves says where the page is afterwards, when the address by which it is open now changes.
func moves(q *page.Request, after, before wizard.Answers) (string, int) {
	host, port, err := net.SplitHostPort(q.HTTP.Host)
	if err != nil {
		host, port = q.HTTP.Host, ""
	}
	here, err := netip.ParseAddr(host)
	was, now := wizard.LAN(before), wizard.LAN(after)
	if err != nil || !was.IsValid() || here != was.Addr() || !now.IsValid() || now.Addr() == here {
		return "", minutesHere
	}
	to := now.Addr().String()
	if port != "" {
		to = net.JoinHostPort(to, port)
	}
	return "https://" + to + "/setup/keys", minutesMoved
}

// apply puts the configuration into force, on trial.
func apply(q *page.Request) error {
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	back := "/setup/review"
	if way(q) {
		back += "?way=replace"
	}
	now, err := running(q)
	switch {
	case err != nil:
		return err
	case len(wizard.Check(d.Answers)) > 0:
		return q.Redirect(back)
	case q.Form("sum") != sum(now):
		q.Toast("warning", q.T("setup.changed"))
		return q.Redirect(back)
	}
	d.unasked(now)
	lines := wizard.Merged(now, wizard.Read(now), d.Answers)
	if way(q) {
		lines = wizard.Replaced(now, d.Answers)
	}
	to, minutes := moves(q, d.Answers, wizard.Read(now))
	out, err := q.Enabled(fmt.Sprintf("copy console: running-config confirm %d", minutes), lines, true)
	if err != nil {
		return err
	}
	if d.said = ""; !out.OK {
		d.said = out.Text
		return q.Redirect(back)
	}
	d.tried["review"] = true
	if to != "" {
		v, err := look(q, d, "review")
		if err != nil {
			return err
		}
		v.Extra = to
		return q.RenderTitled(q.T("setup.moved"), "moved.html", v)
	}
	q.Toast("ok", q.T("setup.applied"))
	return q.Redirect("/setup/keys")
}

// trial keeps the configuration that runs on trial, or takes it back.
func trial(q *page.Request) error {
	line, done := "confirm save", q.T("setup.kept")
	if q.Form("keep") == "" {
		line, done = "no confirm", q.T("setup.taken-back")
	}
	out, err := q.Enabled(line, "", true)
	if err != nil {
		return err
	}
	if !out.OK {
		q.Toast("error", out.Text)
		return q.Redirect("/setup/review")
	}
	q.Toast("ok", done)
	if q.Form("keep") == "" {
		return q.Redirect("/setup/review")
	}
	return q.Redirect(within(q.Form("back")))
}

// within is a step to go back to.
func within(path string) string {
	if slices.Contains(steps, strings.TrimPrefix(path, "/setup/")) {
		return path
	}
	return "/setup/keys"
}
