package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/upload"
)

// reader is a Backend whose lines read the file that comes along: "take" all of it, "refuse" a little, "stop" all of it, and then
// waits until the user gives up.
type reader struct {
	*fake
	read  chan int64
	stops chan struct{} // "stop" has all of it
}

func (b *reader) Exec(ctx context.Context, s *Session, line string, body []byte, out io.Writer) Result {
	defer s.File.Close()
	var n int64
	switch line {
	case "take":
		n, _ = io.Copy(io.Discard, s.File)
	case "refuse":
		n, _ = io.CopyN(io.Discard, s.File, 1000)
	case "stop":
		n, _ = io.Copy(io.Discard, s.File)
		close(b.stops)
		<-ctx.Done()
	}
	s.File.Close() // what is said after it must arrive
	io.WriteString(out, line+" by "+s.User)
	b.read <- n
	return Result{Mode: s.Mode, Failed: line != "take"}
}

// zeros is a file of some octets, or an endless one.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	if z.left > 0 {
		z.left -= n
	} else {
		n = int64(len(p))
	}
	clear(p[:n])
	return int(n), nil
}

func (z *zeros) Close() error { return nil }

func TestALineReadsAFile(t *testing.T) {
	b := &reader{&fake{}, make(chan int64, 1), make(chan struct{})}
	_, path, _ := start(t, b)
	put := func(ctx context.Context, line string, file io.ReadCloser) (string, error) {
		t.Helper()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		var answers []wire.Answer
		err = upload.Put(ctx, conn.(*net.UnixConn), wire.PathExec+"?user=anna&mode=enable&line="+line, file, func(r *http.Response) error {
			for dec := json.NewDecoder(r.Body); ; {
				var a wire.Answer
				if err := dec.Decode(&a); err != nil {
					return err
				}
				answers = append(answers, a)
				if a.Done {
					return nil
				}
			}
		})
		return brief(answers), err
	}
	const size = 3_000_000
	if got, err := put(t.Context(), "take", &zeros{size}); got != "take by anna[ok enable]" || err != nil || <-b.read != size {
		t.Errorf("a file: %q, %v", got, err)
	}
	for range 20 {
		if got, err := put(t.Context(), "refuse", &zeros{-1}); got != "refuse by anna[error enable]" || err != nil {
			t.Fatalf("a refusal in the middle: %q, %v", got, err)
		}
		<-b.read
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-b.stops; cancel() }()
	if _, err := put(ctx, "stop", io.NopCloser(strings.NewReader("all of it"))); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	select {
	case <-b.read:
	case <-time.After(2 * time.Minute):
		t.Error("the line goes on without its client")
	}
}
