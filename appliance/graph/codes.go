package graph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"viaduct/appliance/printable"
)

// SignInCode is an answer of Entra's sign-in service that has a cure of its own.
type SignInCode struct {
	Numbers []int // AADSTS and the number
	Kind    Kind
	Means   string // goes on after "signing in: "
	Cure    string // as Credentials.fill takes it
}

// codes are declared here alone; docs/presence.md is compared with them.
var codes = []SignInCode{
	{[]int{7000215}, SignIn, "the secret is wrong", "Configure the value of the secret, not its ID: Entra shows it once, when it is made. Better use a certificate: `generate presence-certificate`."},
	{[]int{7000222}, SignIn, "the secret has expired", "Make a new one in Entra, under \"Certificates & secrets\", and configure it. Better use a certificate: `generate presence-certificate`."},
	{[]int{700016}, SignIn, "the tenant does not know the application", "Compare `application` ({application}) and `tenant` ({tenant}) with the overview of the application in Entra. An application of another tenant must be consented to first: {consent}"},
	{[]int{7000229}, Consent, "the tenant does not have the application yet, or not any more", cureConsent},
	{[]int{90002}, SignIn, "there is no such tenant", "Check `tenant` ({tenant}) and `cloud` ({cloud})."},
	{[]int{900382, 90038}, SignIn, "the tenant lives in another national cloud", "Check `cloud` ({cloud})."},
	{[]int{7000218}, SignIn, "neither a secret nor an assertion was sent", cureCredentials},
	{[]int{7000112}, SignIn, "the application is disabled", "Enable it in Entra: Enterprise applications, Properties, \"Enabled for users to sign-in\"."},
	{[]int{700027, 50012}, SignIn, "Entra does not know the certificate, or finds its signature wrong", "Upload the certificate of this box in Entra, under \"Certificates & secrets\". Its thumbprint there must be {thumbprint}."},
	{[]int{700024, 500133}, SignIn, "the assertion is not valid at Microsoft's time", cureClock},
	{[]int{65001, 90094}, Consent, "nobody has consented to the application", cureConsent},
	{[]int{53003, 530032, 50076}, SignIn, "a rule of conditional access blocks the application", "Exclude the service principal of the application from that rule in Entra. An application cannot answer a second factor, and needs none."},
	{[]int{500011}, SignIn, "the tenant does not know Microsoft Graph under this name", "Check `cloud` ({cloud})."},
	{[]int{70011, 28002}, Refused, "the scope is wrong", cureReport},
	{[]int{90055}, Throttled, "Microsoft limits sign-ins", cureWait},
}

// SignInCodes are the answers of Entra that have a cure of their own.
func SignInCodes() []SignInCode { return slices.Clone(codes) }

// numbered finds AADSTS and its number in a description; error_codes has it, too, save in some answers of proxies and older services.
var numbered = regexp.MustCompile(`^AADSTS([0-9]{1,9})\b`)

// refusedSignIn explains an answer of the sign-in service that is none of success. The kind of a number that is not known follows from `error`
// (RFC 6749, section 5.2): numbers may change, says Microsoft. sent is what must not be told.
func (c *Client) refusedSignIn(r *http.Response, body []byte, sent ...string) *Error {
	var a struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
	status := r.StatusCode
	if err := json.Unmarshal(body, &a); err != nil || a.Error == "" {
		if status == http.StatusTooManyRequests {
			return &Error{Op: opSignIn, Kind: Throttled, Status: status, Text: "Microsoft limits sign-ins", Cure: cureWait}
		}
		return rubbish(opSignIn, status, err)
	}
	number := 0
	if m := numbered.FindStringSubmatch(a.Description); m != nil {
		number, _ = strconv.Atoi(m[1])
	} else if len(a.Codes) > 0 {
		number = a.Codes[0]
	}
	e := &Error{Op: opSignIn, Kind: SignIn, Status: status, Code: printable.Short(told(a.Error, sent...), 60)}
	if number > 0 {
		e.Code = fmt.Sprintf("AADSTS%d", number)
	}
	if i := slices.IndexFunc(codes, func(k SignInCode) bool { return slices.Contains(k.Numbers, number) }); i >= 0 {
		e.Kind, e.Text, e.Cure = codes[i].Kind, codes[i].Means, c.c.fill(codes[i].Cure)
		if codes[i].Cure == cureClock {
			e.Text += skew(r.Header, time.Now())
		}
		return e
	}
	e.Text = printable.Text(told(cmp.Or(a.Description, a.Error), sent...))
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Cure = Throttled, cureWait
	case status >= 500, a.Error == "temporarily_unavailable", a.Error == "server_error":
		e.Kind, e.Cure = Broken, cureBroken
	case a.Error == "consent_required", a.Error == "interaction_required", a.Error == "access_denied":
		e.Kind, e.Cure = Consent, c.c.fill(cureConsent)
	case a.Error == "invalid_client":
		e.Cure = c.c.fill("Compare `application`, `tenant` and the certificate or secret with what Entra shows of the application. `presence test` tries again.")
	case a.Error == "unauthorized_client", a.Error == "invalid_request", a.Error == "invalid_resource":
		e.Cure = c.c.fill("Compare `tenant` ({tenant}), `application` ({application}) and `cloud` ({cloud}) with what Entra shows of the application.")
	default:
		e.Cure = "https://login.microsoftonline.com/error explains the code."
	}
	return e
}

// skew says how far the clock of the box is off that of a server; "": less than a minute.
func skew(header http.Header, now time.Time) string {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ""
	}
	switch d := now.Sub(date).Round(time.Second); {
	case d > time.Minute:
		return fmt.Sprintf(": the clock of the box is %s ahead of Microsoft's", d)
	case d < -time.Minute:
		return fmt.Sprintf(": the clock of the box is %s behind Microsoft's", -d)
	}
	return ""
}
