// Package upload sends a file over HTTP on a connection, and reads the answer while the file is still on its way.
//
// It owns the one exchange and its connection. It does not own what the file is or what the answer says. net/http's client
// is made for answers that come after the request: when the other side refuses a file in its middle, it may report the broken
// connection in place of the refusal. Put has one goroutine, which ends before Put returns.
package upload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// Conn is what Put needs of a connection: a net.UnixConn or a net.TCPConn.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Put sends file as the body of PUT path, and calls read with the answer as soon as its header is there. It returns when read
// has, or ctx ends; what is left of the file then is not sent. It closes conn and file, whose Close must end a Read. The
// error is that of the file when it could not be read to its end, else what read has returned.
func Put(ctx context.Context, conn Conn, path string, file io.ReadCloser, read func(*http.Response) error) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	from := &source{from: file}
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://box"+path, from)
	if err != nil {
		return errors.Join(fmt.Errorf("put %s: %w", path, err), conn.Close(), file.Close())
	}
	q.Close = true
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if q.Write(conn) != nil {
			conn.CloseWrite() // so that the other side does not wait for the rest
		}
	}()
	r, err := http.ReadResponse(bufio.NewReader(conn), q)
	if err != nil {
		err = fmt.Errorf("put %s: %w", path, err)
	} else {
		err = read(r)
	}
	broken := from.broken.Load() // before Close, which breaks it too
	conn.Close()
	file.Close()
	<-sent
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && broken != nil:
		return *broken
	}
	return err
}

// source remembers why a file could not be read to its end.
type source struct {
	from   io.Reader
	broken atomic.Pointer[error]
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && err != io.EOF {
		s.broken.Store(&err)
	}
	return n, err
}
