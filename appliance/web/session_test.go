package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/web/page"
)

func TestSessionEndsWithItsAccount(t *testing.T) {
	r := newRig(t)
	cookie, _ := r.in("technician")
	eventually(t, "the session is followed", func() bool { return r.sbcd.count("events technician web 192.0.2.7") == 1 })
	second, _ := r.in("technician")
	eventually(t, "the second has a name of its own", func() bool { return r.sbcd.count("events technician web 192.0.2.7/2") == 1 })
	r.sbcd.mu.Lock()
	r.sbcd.gone["technician"] = true
	r.sbcd.mu.Unlock()
	eventually(t, "both sessions end", func() bool {
		return r.sessions.find(cookie.Value) == nil && r.sessions.find(second.Value) == nil
	})
	if w := r.do(with(r.request("GET", "/who", nil), cookie)); w.Code != http.StatusSeeOther {
		t.Errorf("%d", w.Code)
	}
}

// Another class or another password ends all sessions of an account, but that in which its user has changed it.
func TestSessionEndsWhenItsAccountIsAnother(t *testing.T) {
	r := newRig(t)
	own, _ := r.in("technician")
	stolen, _ := r.in("technician")
	viewer, _ := r.in("viewer")
	r.sbcd.mu.Lock()
	r.sbcd.stamps["technician"] = " with another password"
	r.sbcd.mu.Unlock()
	r.renew(r.sessions.find(own.Value))
	for _, c := range []*http.Cookie{own, stolen, viewer} { // as if the last look was long ago
		x := r.sessions.find(c.Value)
		x.mu.Lock()
		x.looked = time.Time{}
		x.mu.Unlock()
	}
	for name, c := range map[string]struct {
		cookie *http.Cookie
		want   int
	}{"his own": {own, 200}, "a stolen one": {stolen, 303}, "another account": {viewer, 200}} {
		if w := r.do(with(r.request("GET", "/who", nil), c.cookie)); w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
	r.sbcd.mu.Lock()
	r.sbcd.stamps["viewer"] = " with another class"
	r.sbcd.mu.Unlock()
	x := r.sessions.find(viewer.Value)
	x.mu.Lock()
	x.looked = time.Time{}
	x.mu.Unlock()
	w := r.do(with(r.request("GET", "/live?t=who.now", nil), viewer))
	if w.Code == http.StatusOK || r.sessions.find(viewer.Value) != nil {
		t.Errorf("live, after the class has changed: %d", w.Code)
	}
}

func TestSilentSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sessions{follow: func(s *session) { <-s.ctx.Done() }}
		from := netip.MustParseAddr("192.0.2.7")
		s, secret := l.begin("viewer", page.Operator, from, 10*time.Minute)
		forever, always := l.begin("viewer", page.Operator, from, 0)
		for range 5 {
			time.Sleep(9 * time.Minute)
			if l.find(secret) == nil {
				t.Fatal("a session that is used has ended")
			}
			s.touch()
		}
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if l.find(secret) != nil || s.ctx.Err() == nil {
			t.Error("a silent session goes on")
		}
		if l.find(always) == nil {
			t.Error("without a time-out a session lasts some hours")
		}
		time.Sleep(longestIdle)
		synctest.Wait()
		if l.find(always) != nil || forever.ctx.Err() == nil || len(l.of) != 0 {
			t.Error("a session lasts for ever")
		}
		l.all.Wait()
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sessions{follow: func(s *session) { <-s.ctx.Done() }}
		defer l.endAll()
		_, first := l.begin("viewer", page.Operator, netip.MustParseAddr("192.0.2.1"), time.Hour)
		for range maxOfOne {
			time.Sleep(time.Second)
			l.begin("viewer", page.Operator, netip.MustParseAddr("192.0.2.1"), time.Hour)
		}
		synctest.Wait()
		if len(l.of) != maxOfOne || l.find(first) != nil {
			t.Errorf("%d sessions of one source; the oldest goes on: %v", len(l.of), l.find(first) != nil)
		}
		at := netip.MustParseAddr("192.0.2.9")
		for n := range 2 * maxSessions {
			at = at.Next()
			l.begin("user"+string(rune('a'+n%26)), page.Operator, at, time.Hour)
		}
		synctest.Wait()
		if len(l.of) != maxSessions {
			t.Errorf("%d sessions", len(l.of))
		}
		s, _ := l.begin("viewer", page.Operator, at, time.Hour)
		for range 2 * maxToasts {
			s.tell(page.Toast{Kind: "ok", Text: strings.Repeat("x", 1<<20)})
		}
		if list := s.told(); len(list) != maxToasts || len(list[0].Text) > maxToastBytes+8 {
			t.Errorf("%d messages wait", len(list))
		}
	})
}
