package presence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
)

// microsoft is a transport behind which a tenant of many users answers, in memory.
type microsoft struct {
	users   int
	pages   []byte
	flip    atomic.Bool // the other half is busy
	batches [2][][]byte
}

// newMicrosoft makes the answers beforehand, so that they are not measured.
func newMicrosoft(users int) *microsoft {
	m := &microsoft{users: users}
	var page bytes.Buffer
	page.WriteString(`{"value":[`)
	for i := range users {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"id":%q,"userPrincipalName":"user.%04d@example.com","mail":"user.%04d@example.com","employeeId":null,"businessPhones":["+49 711 %d"],"accountEnabled":true}`, guid(i), i, i, i)
	}
	page.WriteString(`]}`)
	m.pages = page.Bytes()
	for half := range 2 {
		for first := 0; first < users; first += 650 {
			var body bytes.Buffer
			body.WriteString(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#Collection(microsoft.graph.presence)","value":[`)
			for i := first; i < min(first+650, users); i++ {
				if i > first {
					body.WriteByte(',')
				}
				availability := "Available"
				if i%2 == half {
					availability = "DoNotDisturb"
				}
				fmt.Fprintf(&body, `{"id":%q,"availability":%q,"activity":%q,"statusMessage":null,"outOfOfficeSettings":{"message":null,"isOutOfOffice":false}}`, guid(i), availability, availability)
			}
			body.WriteString(`]}`)
			m.batches[half] = append(m.batches[half], body.Bytes())
		}
	}
	return m
}

func guid(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }

func (m *microsoft) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	var body []byte
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		body = []byte(`{"token_type":"Bearer","expires_in":3599,"access_token":"e30.e30.e30"}`)
	case strings.HasSuffix(r.URL.Path, "/users"):
		body = m.pages
	default:
		var asked struct{ IDs []string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			return nil, err
		}
		half := 0
		if m.flip.Load() {
			half = 1
		}
		for i, id := range []string{guid(0), guid(650)} {
			if len(asked.IDs) > 0 && asked.IDs[0] == id {
				body = m.batches[half][i]
			}
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// polling is an engine whose service has read a directory, and polls when it is told to.
func polling(tb testing.TB, users int) (*Engine, *service, *microsoft) {
	m := newMicrosoft(users)
	p := &config.PresenceService{Name: "TEAMS"}
	p.SetDefaults()
	p.Tenant, p.Application, p.Scope = "example.com", "app", config.ScopeAll
	cfg := config.New()
	location := &config.LocationService{Name: "LS"}
	for i := range users {
		location.Identities = append(location.Identities, &config.Identity{Name: identity(i)})
	}
	cfg.Location, cfg.Presence = []*config.LocationService{location}, []*config.PresenceService{p}
	e := New(Options{Log: slog.New(slog.DiscardHandler), Health: &health.Tracker{}, Publisher: &nobody{}, Dial: func(*config.PresenceService) (http.RoundTripper, graph.Credentials, error) {
		return m, graph.Credentials{Tenant: "example.com", Application: "app", Cloud: config.CloudGlobal, Secret: "secret"}, nil
	}})
	e.Apply(cfg)
	s := newService(e, cfg, p)
	e.running.Store(&[]*service{s})
	s.turn(tb)
	s.turn(tb)
	if got := len(s.people.list); got != users {
		tb.Fatalf("%d users are matched", got)
	}
	return e, s, m
}

type nobody struct{ told int }

func (n *nobody) Publish(Publication) { n.told++ }

// turn has the service do what is due, a poll at least, and waits for its end.
func (s *service) turn(tb testing.TB) {
	s.mu.Lock()
	s.poll.at = time.Time{}
	s.step(tb.Context(), time.Now())
	s.mu.Unlock()
	s.work.Wait()
	if s.poll.err != nil || s.reading.err != nil {
		tb.Fatal(s.poll.err, s.reading.err)
	}
}

func TestAPollReadsAllUsers(t *testing.T) {
	e, s, m := polling(t, 1300)
	for _, flip := range []bool{false, true} {
		m.flip.Store(flip)
		s.turn(t)
		for _, i := range []int{0, 1, 649, 650, 1298, 1299} {
			want := 0
			if (i%2 == 1) == flip {
				want = 486
			}
			if code, _ := e.Refuse(identity(i)); code != want {
				t.Errorf("%s gets %d, want %d", identity(i), code, want)
			}
		}
	}
}

func TestALookUpTakesNoMemory(t *testing.T) {
	e, _, _ := polling(t, 1300)
	if n := testing.AllocsPerRun(100, func() {
		e.Refuse("user.0000")
		e.Refuse("user.0001")
		e.Refuse("nobody")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What one call asks: 200 ns at most.
func BenchmarkRefuse(b *testing.B) {
	e, _, _ := polling(b, 1300)
	for _, who := range []string{"user.0000", "user.0001"} {
		b.Run(who, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Refuse(who)
			}
		})
	}
}

// One poll of 1,300 users: 100 ms of CPU and 8 MiB at most, with the client of Graph. In changes half of them are in another state each time.
func BenchmarkPoll(b *testing.B) {
	for _, changes := range []bool{false, true} {
		b.Run(fmt.Sprintf("changes %v", changes), func(b *testing.B) {
			_, s, m := polling(b, 1300)
			b.ReportAllocs()
			for b.Loop() {
				m.flip.Store(changes && !m.flip.Load())
				s.turn(b)
			}
		})
	}
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e, s, m := polling(b, 1300)
		for b.Loop() {
			s.turn(b)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "held-B")
		runtime.KeepAlive(e)
		runtime.KeepAlive(m)
	})
}
