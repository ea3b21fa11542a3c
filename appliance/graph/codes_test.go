package graph

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The codes of the sign-in service that administrators meet, with a word of what is said of each.
func TestEachCodeHasACure(t *testing.T) {
	credentials := withCertificate(t)
	for number, want := range map[int]string{
		7000215: "not its ID", 7000222: "Make a new one", 700016: testApp, 90002: testTenant, 900382: "`cloud` (global)", 90038: "`cloud` (global)",
		7000218: "generate presence-certificate", 7000112: "Enable it", 700027: credentials.Thumbprint(), 50012: credentials.Thumbprint(),
		700024: "show clock", 500133: "show clock", 65001: "/adminconsent?client_id=" + testApp, 90094: "/adminconsent?client_id=" + testApp, 7000229: "/adminconsent",
		53003: "Exclude", 530032: "Exclude", 50076: "Exclude", 500011: "`cloud`", 70011: "report", 28002: "report", 90055: "waits",
	} {
		o := newOffice(nil)
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
			saySignIn(w, http.StatusBadRequest, "invalid_request", number, "Whatever Microsoft writes \x1b[2J.")
			return true
		}
		err := read(t, New(direct{o}, credentials))
		e, ok := err.(*Error)
		if !ok {
			t.Fatalf("%d: %v", number, err)
		}
		wantError(t, err, e.Kind)
		if e.Code != fmt.Sprintf("AADSTS%d", number) || !strings.Contains(e.Cure, want) || strings.Contains(e.Text, "Whatever") {
			t.Errorf("%d: %v, cure %q, want %q", number, e, e.Cure, want)
		}
	}
	for _, k := range SignInCodes() {
		if k.Means == "" || strings.HasSuffix(k.Means, ".") || !strings.HasSuffix(k.Cure, ".") && !strings.HasSuffix(k.Cure, "}") {
			t.Errorf("%v: %q, %q are no parts of sentences", k.Numbers, k.Means, k.Cure)
		}
	}
}

// A code that is not known: `error` decides (RFC 6749), and Microsoft's words are shown.
func TestACodeThatIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		status int
		error  string
		kind   Kind
	}{
		{400, "invalid_request", SignIn}, {401, "invalid_client", SignIn}, {400, "unauthorized_client", SignIn}, {400, "invalid_grant", SignIn}, {400, "brand_new", SignIn},
		{400, "interaction_required", Consent}, {400, "consent_required", Consent}, {403, "access_denied", Consent},
		{400, "temporarily_unavailable", Broken}, {503, "server_error", Broken}, {429, "invalid_request", Throttled},
	} {
		o := newOffice(nil)
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
			saySignIn(w, c.status, c.error, 123456789, "A new \x1b[2J\r\n thing.")
			return true
		}
		e := wantError(t, read(t, o.client()), c.kind)
		if e.Code != "AADSTS123456789" || !strings.Contains(e.Text, `A new \x1b[2J`) || strings.ContainsAny(e.Text, "\x1b\r\n") {
			t.Errorf("%+v: %v", c, e)
		}
	}
}

func TestTheClockIsComparedWithMicrosofts(t *testing.T) {
	for off, want := range map[time.Duration]string{
		0: "", 30 * time.Second: "", -12 * time.Minute: "the clock of the box is 12m0s ahead of Microsoft's", time.Hour: "the clock of the box is 1h0m0s behind Microsoft's",
	} {
		now := time.Now()
		header := http.Header{"Date": {now.Add(off).UTC().Format(http.TimeFormat)}}
		if got := skew(header, now.Truncate(time.Second)); got != want && got != ": "+want {
			t.Errorf("%s: %q, want %q", off, got, want)
		}
	}
	if got := skew(http.Header{"Date": {"never"}}, time.Now()); got != "" {
		t.Errorf("no date: %q", got)
	}
}
