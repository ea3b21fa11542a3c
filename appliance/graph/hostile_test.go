package graph

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
)

// Who answers in place of Microsoft, or stands in between, may repeat what it was sent: secret, assertion, token, password of the proxy. None of that
// gets into an error, whole or in part, and what it sends without an end is not read.
func TestWhoRepeatsSecrets(t *testing.T) {
	const password = "pr0xy-password"
	const most = 64 << 20 // octets: what the client reads of an answer, and what stands in the buffers of the way
	endless := func(w io.Writer, part string) {
		part = strings.Repeat(part, 1+4096/max(1, len(part)))
		for sent := 0; ; sent += len(part) {
			if sent > most {
				t.Error("what is sent without an end is read")
				return
			}
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
	}
	answer := func(w io.Writer, code int, body any) {
		text, _ := json.Marshal(body)
		fmt.Fprintf(w, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", code, len(text), text)
	}
	reason := func(w io.Writer, code int, said string) { // of Graph, or of the sign-in service
		var failure any = map[string]any{"code": said, "message": said}
		if !strings.Contains(said, ".c2ln") {
			failure = said
		}
		answer(w, code, map[string]any{"error": failure, "error_description": "not known: " + said})
	}
	for name, serve := range map[string]func(w io.Writer, said string){
		"as a status line": func(w io.Writer, said string) { io.WriteString(w, said+"\r\n\r\n") },
		"as a version":     func(w io.Writer, said string) { io.WriteString(w, "HTTP/"+said+" 200 OK\r\n\r\n") },
		"as a code":        func(w io.Writer, said string) { io.WriteString(w, "HTTP/1.1 "+said+"\r\n\r\n") },
		"as a header":      func(w io.Writer, said string) { io.WriteString(w, "HTTP/1.1 200 OK\r\n"+said+"\r\n\r\n") },
		"as a coding": func(w io.Writer, said string) {
			io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+said+"\r\n\r\n")
		},
		"as a length": func(w io.Writer, said string) {
			io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: "+said+"\r\n\r\n")
		},
		"as a reason 400":  func(w io.Writer, said string) { reason(w, 400, said) },
		"as a reason 401":  func(w io.Writer, said string) { reason(w, 401, said) },
		"as a reason 403":  func(w io.Writer, said string) { reason(w, 403, said) },
		"as a reason 404":  func(w io.Writer, said string) { reason(w, 404, said) },
		"as a reason 500":  func(w io.Writer, said string) { reason(w, 500, said) },
		"as half a reason": func(w io.Writer, said string) { reason(w, 400, strings.Repeat("x", 220)+said) },
		"as a place": func(w io.Writer, said string) {
			io.WriteString(w, "HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: https://elsewhere.example/"+said+"\r\n\r\n")
		},
		"as the next page": func(w io.Writer, said string) {
			answer(w, 200, map[string]any{"value": []any{}, "@odata.nextLink": "https://elsewhere.example/" + said})
		},
		"as the wrong type": func(w io.Writer, said string) {
			answer(w, 200, map[string]any{"value": said, "access_token": said, "expires_in": said})
		},
		"without an end": func(w io.Writer, said string) { io.WriteString(w, "HTTP/1.1 500 X\r\n\r\n"); endless(w, said) },
		"as endless headers": func(w io.Writer, said string) {
			io.WriteString(w, "HTTP/1.1 200 OK\r\n")
			endless(w, "X: "+said+"\r\n")
		},
		"as endless hints": func(w io.Writer, said string) { endless(w, "HTTP/1.1 103 X\r\nX: "+said+"\r\n\r\n") },
	} {
		for _, who := range []string{"sign-in", "graph", "proxy"} {
			t.Run(who+" "+name, func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				var said []string
				hijack := func(w http.ResponseWriter, text string) {
					mu.Lock()
					said = append(said, text)
					mu.Unlock()
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					serve(conn, text)
				}
				office := newOffice(sayPresences("Busy", "Busy"))
				web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					switch isSignIn := q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/token"); {
					case isSignIn && who == "sign-in":
						body, _ := io.ReadAll(q.Body)
						form, _ := url.ParseQuery(string(body))
						hijack(w, form.Get("client_secret")+form.Get("client_assertion"))
					case !isSignIn && who == "graph":
						hijack(w, strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer "))
					default:
						office.ServeHTTP(w, q)
					}
				}))
				defer web.Close()
				way := egress.Way{Roots: trusting(web.Certificate())}
				if who == "proxy" {
					l, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					go func() {
						for {
							conn, err := l.Accept()
							if err != nil {
								return
							}
							q, err := http.ReadRequest(bufio.NewReader(conn))
							if err == nil {
								serve(conn, strings.TrimPrefix(q.Header.Get("Proxy-Authorization"), "Basic "))
							}
							conn.Close()
						}
					}()
					at := l.Addr().(*net.TCPAddr)
					way.Proxy = config.HTTPProxy{Host: "127.0.0.1", Port: uint16(at.Port), User: "box", Password: password}
				}
				transport := way.Transport()
				defer transport.CloseIdleConnections()
				c := testCredentials()
				c.Hosts = Hosts{Login: web.URL, Graph: web.URL}
				client := New(transport, c)
				err := client.Users(t.Context(), func(User) error { return nil })
				e, ok := err.(*Error)
				if !ok {
					t.Fatalf("%v", err)
				}
				all := e.Error() + e.Cure
				mu.Lock()
				defer mu.Unlock()
				for _, text := range append(said, password, "Ym94OnByMHh5LXBhc3N3b3Jk") { // box:pr0xy-password
					if text != "" && strings.Contains(all, text[:min(len(text), 12)]) {
						t.Errorf("%s; %s", e, e.Cure)
					}
				}
				if len(all) > 2000 {
					t.Errorf("%d octets", len(all))
				}
			})
		}
	}
}
