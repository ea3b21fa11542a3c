package browser

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// open20 is how many browsers the benchmark opens.
const open20 = 20

// BenchmarkOpenBrowsers opens the first page in twenty browsers, each with a login and a connection of its own, which follow all that the page keeps current.
// Reported is what both programs take of one core, and by how much their memory grows.
func BenchmarkOpenBrowsers(b *testing.B) {
	dir := b.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "viaduct/cmd/sbcd", "viaduct/cmd/consoled").CombinedOutput(); err != nil {
		b.Fatalf("build: %v %s", err, out)
	}
	plain := func() (string, error) { return dir, nil }
	box := startBoxOf(b, b.TempDir(), accounts, plain)
	defer box.stop()
	pids := []int{box.sbcd.cmd.Process.Pid, box.consoled.cmd.Process.Pid}
	idle := measure(b, pids, 10*time.Second)
	before := memory(b, pids)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	for range open20 {
		follow(b, ctx, box)
	}
	measure(b, pids, 3*time.Second) // what comes at the start
	for b.Loop() {
		busy := measure(b, pids, 20*time.Second)
		b.ReportMetric(100*(busy-idle), "%core")
		b.ReportMetric(100*idle, "%core-idle")
		b.ReportMetric(float64(memory(b, pids)-before)/(1<<20), "MiB")
	}
}

// follow is one browser: login, the first page, its files, and the stream of what it keeps current.
func follow(b *testing.B, ctx context.Context, box *box) {
	b.Helper()
	transport := box.http().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = false, true
	c := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var cookie *http.Cookie
	do := func(method, path, body string) *http.Response {
		q, err := http.NewRequestWithContext(ctx, method, box.url+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		q.Header.Set("Accept", "text/html")
		if method == "POST" {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			q.Header.Set("Origin", box.url)
		}
		if cookie != nil {
			q.AddCookie(cookie)
		}
		r, err := c.Do(q)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	r := do("POST", "/login", url.Values{"user": {"viewer"}, "password": {password}}.Encode())
	r.Body.Close()
	if len(r.Cookies()) != 1 {
		b.Fatalf("login: %s", r.Status)
	}
	cookie = r.Cookies()[0]
	r = do("GET", "/", "")
	r.Body.Close()
	r = do("GET", r.Header.Get("Location"), "")
	text, _ := io.ReadAll(r.Body)
	r.Body.Close()
	for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		a := do("GET", m[1], "")
		io.Copy(io.Discard, a.Body)
		a.Body.Close()
	}
	topics := url.Values{}
	for _, m := range regexp.MustCompile(`data-live="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		topics.Add("t", strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	stream := do("GET", "/live?"+topics.Encode(), "")
	if stream.StatusCode != http.StatusOK {
		b.Fatalf("live: %s", stream.Status)
	}
	lines := bufio.NewReader(stream.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer stream.Body.Close()
		io.Copy(io.Discard, lines)
	}()
}

// measure is the share of one core that processes take meanwhile.
func measure(b *testing.B, pids []int, d time.Duration) float64 {
	b.Helper()
	before, began := used(b, pids), time.Now()
	time.Sleep(d)
	return float64(used(b, pids)-before) / float64(time.Since(began))
}

// used is the processor time of processes.
func used(b *testing.B, pids []int) (sum time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 everywhere
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Fatal(err)
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, n := range []int{11, 12} { // utime, stime
			ticks, err := strconv.Atoi(fields[n])
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// memory is the memory of processes that is theirs.
func memory(b *testing.B, pids []int) (sum int) {
	b.Helper()
	for _, pid := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "RssAnon:")
		n, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			b.Fatal(err)
		}
		sum += n << 10
	}
	return sum
}
