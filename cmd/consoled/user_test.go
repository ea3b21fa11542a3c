package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// user is somebody at a terminal: what comes out of it is kept until it is expected.
type user struct {
	t    tester
	w    io.Writer
	lock sync.Mutex
	got  string
	all  string
	last time.Time // something came
	came []shown   // when
	over bool
}

// shown is when a terminal had shown so many bytes in all.
type shown struct {
	bytes int
	at    time.Time
}

// silence is for how long a terminal may show nothing while something is expected of it. How long something takes in all does not
// count, since the machine may be slow and busy.
const silence = 2 * time.Minute

// patience bounds what no terminal shows.
const patience = 5 * time.Minute

// tester is what a user needs of a test, or of a script.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newUser(t tester, r io.Reader, w io.Writer) *user {
	u := &user{t: t, w: w}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := r.Read(b)
			u.lock.Lock()
			u.got += string(b[:n])
			u.all += string(b[:n])
			u.last = time.Now()
			u.came = append(u.came, shown{len(u.all), u.last})
			u.over = err != nil
			u.lock.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return u
}

// types sends keys as fingers do, one by one and slower than a paste, and looks at the screen before those that set something off.
func (u *user) types(keys string) {
	u.t.Helper()
	typed, from := "", u.length()
	for _, k := range keys {
		help := k == '?' || k == '\t'
		if help || k == '\r' {
			u.echoed(typed, from)
		}
		if k == '\r' {
			u.takesTime(typed, from)
		}
		if help {
			u.rests()
			from = u.length()
		}
		u.sends(string(k))
		time.Sleep(keyPause)
		if help {
			time.Sleep(50 * time.Millisecond) // what follows at once makes it part of a paste
			u.answered(from)
		}
		if typed += string(k); k < ' ' || k == '?' {
			typed, from = "", u.length()
		}
	}
}

// keyPause is the time from key to key; with less than 10 ms a line is pasted.
const keyPause = 12 * time.Millisecond

// takesTime waits until the console has seen what was typed for as long as fingers take: on a busy machine all keys may reach it at
// once, as those of a paste do.
func (u *user) takesTime(typed string, from int) {
	u.lock.Lock()
	i := slices.IndexFunc(u.came, func(s shown) bool { return s.bytes > from })
	var begun time.Time
	if i >= 0 {
		begun = u.came[i].at
	}
	u.lock.Unlock()
	if i >= 0 {
		time.Sleep(time.Until(begun.Add(time.Duration(len(typed)+1) * keyPause)))
	}
}

// unseen bounds what the screen may not show at all.
const unseen = 5 * time.Second

// hidden are the prompts for what is not shown while it is typed.
var hidden = regexp.MustCompile(`(?i)(password|again|phrase)[^\n]*: ?$`)

// echoed waits until the terminal shows what was typed when it had shown from bytes, where it shows that at all.
func (u *user) echoed(typed string, from int) {
	for until := time.Now().Add(unseen); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		u.lock.Lock()
		done := strings.Contains(u.all[from:], typed) || hidden.MatchString(u.all[max(0, from-200):from])
		u.lock.Unlock()
		if done {
			return
		}
	}
}

func (u *user) length() int {
	u.lock.Lock()
	defer u.lock.Unlock()
	return len(u.all)
}

// rests waits until the terminal shows nothing new any more.
func (u *user) rests() {
	const quiet = 30 * time.Millisecond
	for n := -1; n != u.length(); time.Sleep(quiet) {
		n = u.length()
	}
}

// answered waits until the terminal shows more than it had shown. A Tab that nothing can be said to shows nothing.
func (u *user) answered(shown int) {
	for until := time.Now().Add(unseen); u.length() <= shown && time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
	}
}

// sends sends bytes at once, as a paste does.
func (u *user) sends(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.w, text); err != nil {
		u.t.Fatalf("write: %v", err)
	}
}

// sees waits for text, and forgets what came before its end.
func (u *user) sees(text string) string {
	u.t.Helper()
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		u.lock.Lock()
		i := strings.Index(u.got, text)
		if i >= 0 {
			before := u.got[:i]
			u.got = u.got[i+len(text):]
			u.lock.Unlock()
			return before
		}
		over, stuck := u.over, u.silent(began)
		u.lock.Unlock()
		if over || stuck {
			u.lock.Lock()
			defer u.lock.Unlock()
			u.t.Fatalf("did not see %q (over: %v); the end of what came:\n%q", text, over, u.all[max(0, len(u.all)-1500):])
		}
	}
}

// silent reports whether nothing has come for long. The lock is held.
func (u *user) silent(began time.Time) bool {
	return time.Since(began) > silence && time.Since(u.last) > silence
}

// ends waits for the terminal to be closed.
func (u *user) ends() {
	u.t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		u.lock.Lock()
		over, stuck, rest := u.over, u.silent(began), u.got
		u.lock.Unlock()
		if over {
			return
		}
		if stuck {
			u.t.Fatalf("the session does not end; it shows %q", rest)
		}
	}
}

// eventually waits for a condition.
func eventually(t tester, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}
