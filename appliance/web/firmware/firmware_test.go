package firmware

import (
	"bytes"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
)

func TestWhatHasBecomeOfARestart(t *testing.T) {
	slots := func(a, b status.Image) status.Images { return status.Images{Slots: []status.Image{a, b}} }
	v1, v2 := status.Image{Slot: "a", Version: "v1"}, status.Image{Slot: "b", Version: "v2"}
	runs := func(i status.Image, trial bool) status.Image {
		i.Running, i.Trial = true, trial
		return i
	}
	for _, c := range []struct {
		what, to, from string
		now            status.Images
		outcome        string
	}{
		{"no restart was ordered here", "", "", slots(runs(v1, false), v2), none},
		{"nothing waited", "", "v1", slots(runs(v1, false), v2), same},
		{"a box without images", "", "-", status.Images{}, same},
		{"the new one runs, and has to prove itself", "v2", "v1", slots(v1, runs(v2, true)), trial},
		{"the new one has proved itself", "v2", "v1", slots(v1, runs(v2, false)), settled},
		{"the old one runs", "v2", "v1", slots(runs(v1, false), v2), failed},
		{"the slots cannot be read", "v2", "v1", status.Images{}, none},
	} {
		if got := judge(c.to, c.from, c.now); got.Outcome != c.outcome {
			t.Errorf("%s: %q, want %q", c.what, got.Outcome, c.outcome)
		}
	}
}

func TestFieldsAreBounded(t *testing.T) {
	form := func(size, pass, more int) *multipart.Reader {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		f, _ := w.CreateFormFile("file", "backup.txt")
		io.WriteString(f, strings.Repeat("x", size))
		w.WriteField("pass", strings.Repeat("y", pass))
		for range more {
			w.WriteField("again", "z")
		}
		w.Close()
		return multipart.NewReader(&b, w.Boundary())
	}
	const room = wire.MaxBody - maxField
	if got, err := fields(form(room, maxField, 0)); err != nil || len(got["file"]) != room || len(got["pass"]) != maxField {
		t.Errorf("%d octets of a file, %v", len(got["file"]), err)
	}
	for what, r := range map[string]*multipart.Reader{"a file": form(room+1, 1, 0), "a field": form(1, maxField+1, 0)} {
		if _, err := fields(r); err == nil {
			t.Errorf("%s that is too large is taken", what)
		}
	}
	if got, err := fields(form(1, 1, 10_000)); err == nil && len(got) > 8 {
		t.Errorf("%d fields are kept", len(got))
	}
}

func TestATransferIsTakenOnceByItsUser(t *testing.T) {
	d := &desk{on: map[string]*transfer{}}
	var ids []string
	for range maxTransfers {
		ids = append(ids, d.add(&transfer{user: "ada"}))
	}
	if id := d.add(&transfer{user: "ada"}); id != "" {
		t.Error("there are more transfers than there may be")
	}
	if d.take(ids[0], "eve") != nil || d.take("", "ada") != nil {
		t.Error("somebody else has it")
	}
	if d.take(ids[0], "ada") == nil || d.take(ids[0], "ada") != nil {
		t.Error("it is not given out once")
	}
	if d.add(&transfer{user: "ada"}) == "" {
		t.Error("there is no room where one has gone")
	}
}
