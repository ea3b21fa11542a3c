package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is left of a request that was answered before its end is no other request: sbcd refuses a configuration that is too large while it still comes.
func TestABodyThatNobodyReadEndsItsConnection(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inTime(w, r).Body.Close()
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /v1/config HTTP/1.1\r\nHost: box\r\nContent-Length: 5000000\r\n\r\n%s", strings.Repeat("# nothing\n", 1000))
	from := bufio.NewReader(c)
	a, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != http.StatusRequestEntityTooLarge || !a.Close {
		t.Errorf("%s, and it ends: %v", a.Status, a.Close)
	}
	if rest, _ := io.ReadAll(from); len(rest) != 0 {
		t.Errorf("then %q", rest)
	}
}
