package upload

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// server answers PUT on a unix socket with what answer makes of the request.
func server(t *testing.T, answer http.HandlerFunc) Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer}
	served := make(chan struct{})
	go func() { s.Serve(l); close(served) }()
	t.Cleanup(func() { s.Close(); <-served })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

// endless is a file that never ends, or breaks after some bytes.
type endless struct {
	left   int // -1: for ever
	err    error
	closed chan struct{}
}

func (e *endless) Read(p []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	if e.left == 0 {
		if e.err != nil {
			return 0, e.err
		}
		<-e.closed
		return 0, io.ErrClosedPipe
	}
	if e.left > 0 {
		p = p[:min(len(p), e.left)]
		e.left -= len(p)
	}
	return len(p), nil
}

func (e *endless) Close() error { close(e.closed); return nil }

func text(got *string) func(*http.Response) error {
	return func(r *http.Response) error {
		b, err := io.ReadAll(r.Body)
		*got = string(b)
		return err
	}
}

func TestAFileArrives(t *testing.T) {
	conn := server(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Method+" "+r.URL.String()+" "+string(b))
	})
	var got string
	err := Put(t.Context(), conn, "/x?force=1", io.NopCloser(strings.NewReader("file")), text(&got))
	if err != nil || got != "PUT /x?force=1 file" {
		t.Errorf("%q, %v", got, err)
	}
}

// A refusal in the middle of a large file is read, not the broken connection.
func TestARefusalInTheMiddleIsHeard(t *testing.T) {
	for range 50 {
		conn := server(t, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			io.CopyN(io.Discard, r.Body, 100_000)
			io.WriteString(w, "refused")
		})
		var got string
		if err := Put(t.Context(), conn, "/", &endless{left: -1, closed: make(chan struct{})}, text(&got)); err != nil || got != "refused" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// A file that stops to come, but does not end, holds nobody who has his answer.
func TestAnAnswerEndsTheFile(t *testing.T) {
	conn := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.CopyN(io.Discard, r.Body, 10)
		io.WriteString(w, `{"done":true}`)
		http.NewResponseController(w).Flush()
		io.Copy(io.Discard, r.Body)
	})
	err := Put(t.Context(), conn, "/", &endless{left: 10, closed: make(chan struct{})}, func(r *http.Response) error {
		_, err := io.ReadFull(r.Body, make([]byte, 13))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFileThatBreaksIsNotTakenForWhole(t *testing.T) {
	received := make(chan error, 1)
	conn := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		received <- err
		http.Error(w, "cut short", http.StatusBadRequest)
	})
	gone := errors.New("the web server went away")
	err := Put(t.Context(), conn, "/", &endless{left: 1 << 20, err: gone, closed: make(chan struct{})}, func(r *http.Response) error {
		return errors.New(r.Status)
	})
	if !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	if err := <-received; err == nil {
		t.Error("the other side took half a file for a whole one")
	}
}

func TestTheEndOfTheContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	conn := server(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		io.Copy(io.Discard, r.Body)
		close(ended)
	})
	if err := Put(ctx, conn, "/", &endless{closed: make(chan struct{})}, func(*http.Response) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-ended
}
