package entra

import (
	"fmt"
	"net/http"
	"time"
)

// denial is why a sign-in failed.
type denial struct {
	code int
	why  string
}

func deny(code int, format string, args ...any) *denial {
	return &denial{code: code, why: fmt.Sprintf(format, args...)}
}

// signInProblem is what the sign-in service says about a code: status, the error of OAuth, and the begin of its text.
type signInProblem struct {
	status      int
	error, text string
}

var signInProblems = map[int]signInProblem{
	28002:   {400, "invalid_scope", "Provided value for the input parameter scope is not valid when requesting an access token."},
	50012:   {401, "invalid_client", "Client assertion contains an invalid signature."},
	50013:   {400, "invalid_grant", "Assertion failed signature validation."},
	50027:   {400, "invalid_request", "JWT token is invalid or malformed."},
	50076:   {400, "interaction_required", "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'."},
	53003:   {400, "interaction_required", "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
	65001:   {400, "invalid_grant", "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource."},
	70003:   {400, "unsupported_grant_type", "The app requested an unsupported grant type."},
	70011:   {400, "invalid_scope", "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
	90002:   {400, "invalid_request", "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	90038:   {400, "invalid_request", "Tenant request is being redirected to the National Cloud 'MicrosoftOnline.US'."},
	90055:   {429, "temporarily_unavailable", "Too many requests. The server is busy."},
	90094:   {400, "invalid_grant", "Admin consent is required for the permissions requested by this application."},
	500011:  {400, "invalid_resource", "The resource principal was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."},
	500133:  {400, "invalid_grant", "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token."},
	530032:  {400, "interaction_required", "User blocked due to risk on home tenant. Blocked by security policy."},
	700016:  {400, "unauthorized_client", "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
	700021:  {401, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."},
	700023:  {401, "invalid_client", "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."},
	700024:  {401, "invalid_client", "Client assertion is not within its valid time range."},
	700027:  {401, "invalid_client", "The certificate with identifier used to sign the client assertion is not registered on application."},
	900144:  {400, "invalid_request", "The request body must contain all required parameters: 'grant_type', 'client_id', 'scope'."},
	900382:  {400, "invalid_client", "Confidential Client is not supported in Cross Cloud request."},
	900561:  {400, "invalid_request", "The endpoint only accepts POST requests."},
	1002012: {400, "invalid_scope", "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
	7000112: {400, "unauthorized_client", "Application is disabled."},
	7000215: {401, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app."},
	7000218: {401, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	7000222: {401, "invalid_client", "The provided client secret keys for app are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."},
	9002313: {400, "invalid_request", "Invalid request. Request is malformed or invalid."},
}

// turnAway answers a sign-in that failed.
func (s *Service) turnAway(w http.ResponseWriter, d *denial) {
	p, ok := signInProblems[d.code]
	if !ok {
		panic(fmt.Sprintf("no words for AADSTS%d", d.code))
	}
	s.note("sign-in: AADSTS%d: %s", d.code, d.why)
	trace, correlation, at := newID(), newID(), time.Now().UTC().Format("2006-01-02 15:04:05Z")
	w.Header().Set("x-ms-request-id", trace)
	if p.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "10")
	}
	reply(w, p.status, map[string]any{"error": p.error, "error_codes": []int{d.code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_description": fmt.Sprintf("AADSTS%d: %s %s Trace ID: %s Correlation ID: %s Timestamp: %s", d.code, p.text, d.why, trace, correlation, at),
		"error_uri":         fmt.Sprintf("https://%s/error?code=%d", s.options.Login, d.code)})
}

// problem is why Graph does not do something.
type problem struct {
	status     int
	code, text string
}

func bad(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: "BadRequest", text: fmt.Sprintf(format, args...)}
}

// decline answers a request to Graph that failed.
func (s *Service) decline(w http.ResponseWriter, r *http.Request, p *problem) {
	s.note("graph: %s %s: %d %s: %s", r.Method, r.URL.Path, p.status, p.code, p.text)
	id := newID()
	client := r.Header.Get("client-request-id")
	if client == "" {
		client = id
	}
	w.Header().Set("request-id", id)
	w.Header().Set("client-request-id", client)
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="", authorization_uri="https://%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`, s.options.Login))
	}
	reply(w, p.status, map[string]any{"error": map[string]any{"code": p.code, "message": p.text,
		"innerError": map[string]any{"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": client}}})
}

// throttle answers 429. Who asks again before its time is told of in Refusals.
func (s *Service) throttle(w http.ResponseWriter, r *http.Request, after time.Duration) {
	now := time.Now()
	s.mu.Lock()
	early := s.held.Sub(now)
	if after > 0 && early <= 0 {
		s.held = now.Add(after)
	}
	s.mu.Unlock()
	if early > 0 {
		s.note("graph: %s %s: asked %v before Retry-After had passed", r.Method, r.URL.Path, early)
		after = early
	}
	if after > 0 {
		w.Header().Set("Retry-After", seconds(after))
	}
	s.decline(w, r, &problem{status: http.StatusTooManyRequests, code: "TooManyRequests", text: "Too many requests. Please try again later."})
}
