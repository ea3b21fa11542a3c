package entra

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// recorder keeps an answer, as the connection of Transport.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
	rest   io.Reader // of the body, for who reads so far; nil: nothing
}

// serve reports whether the handler ended the connection.
func (w *recorder) serve(h http.Handler, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// ReadFrom leaves it to who reads the body how much of r there is.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.WriteHeader(http.StatusOK)
	w.rest = r
	return 0, nil
}

func (w *recorder) response(r *http.Request, aborted bool) *http.Response {
	w.WriteHeader(http.StatusOK)
	size := int64(w.body.Len())
	var body io.Reader = &w.body
	if w.rest != nil {
		size, body = -1, io.MultiReader(body, w.rest)
	}
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		size = n
	}
	if aborted {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{Status: fmt.Sprintf("%d %s", w.code, http.StatusText(w.code)), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: size, Request: r}
}

// broken is the end of a body that was longer.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
