package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const appID = "11111111-2222-3333-4444-555555555555"

// Making RSA keys takes most of the time, so all tests share two.
var keys = sync.OnceValue(func() (list [2]*rsa.PrivateKey) {
	for n := range list {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list[n] = key
	}
	return list
})

func selfSigned(t *testing.T, key *rsa.PrivateKey, begin, end time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "box"}, NotBefore: begin, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rig is a service with an application that signs in with a certificate or the secret "right".
type rig struct {
	*testing.T
	s      *Service
	app    *Application
	cert   *x509.Certificate
	client *http.Client
	bearer string
}

func newRig(t *testing.T, roles ...string) *rig {
	t.Helper()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, s: s, app: s.Register(appID, roles...), cert: selfSigned(t, keys()[0], time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)),
		client: &http.Client{Transport: s.Transport()}}
	r.app.Upload(r.cert)
	r.app.AddSecret("right", time.Now().AddDate(0, 6, 0))
	r.app.Grant(roles...)
	return r
}

// answer is what came back.
type answer struct {
	*http.Response
	text []byte
	body struct {
		AccessToken string `json:"access_token"`
		Codes       []int  `json:"error_codes"`
		Description string `json:"error_description"`
		Next        string `json:"@odata.nextLink"`
		Value       []struct {
			ID, Availability, Activity, UserPrincipalName, EmployeeID string
			BusinessPhones                                            []string
			OutOfOfficeSettings                                       struct{ IsOutOfOffice bool }
		}
		Availability, Activity string
		Error                  json.RawMessage
	}
}

// code is the error of Graph.
func (a *answer) code() string {
	var e struct{ Code, Message string }
	_ = json.Unmarshal(a.body.Error, &e)
	return e.Code
}

func (r *rig) do(method, where, kind, body string) *answer {
	r.Helper()
	a, err := r.try(context.Background(), method, where, kind, body)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func (r *rig) try(ctx context.Context, method, where, kind, body string) (*answer, error) {
	q, err := http.NewRequestWithContext(ctx, method, where, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	if r.bearer != "" {
		q.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	resp, err := r.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{Response: resp}
	if a.text, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	_ = json.Unmarshal(a.text, &a.body)
	return a, nil
}

const tokenURL = "https://" + Login + "/contoso.onmicrosoft.com/oauth2/v2.0/token"

// form is a sign-in with the secret, changed by pairs of name and value; "" removes.
func form(changes ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "scope": {"https://graph.microsoft.com/.default"}, "client_secret": {"right"}}
	for n := 0; n < len(changes); n += 2 {
		if f.Set(changes[n], changes[n+1]); changes[n+1] == "" {
			f.Del(changes[n])
		}
	}
	return f
}

func (r *rig) signIn(f url.Values) *answer {
	r.Helper()
	return r.do(http.MethodPost, tokenURL, "application/x-www-form-urlencoded", f.Encode())
}

// enter signs in and keeps the token.
func (r *rig) enter() {
	r.Helper()
	r.bearer = ""
	if a := r.signIn(form()); a.body.AccessToken == "" {
		r.Fatalf("no token: %s", a.text)
	} else {
		r.bearer = a.body.AccessToken
	}
}

func (r *rig) post(path, body string) *answer {
	r.Helper()
	return r.do(http.MethodPost, "https://"+Graph+"/v1.0/"+path, "application/json", body)
}
