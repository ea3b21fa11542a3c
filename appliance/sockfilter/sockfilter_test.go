package sockfilter

import (
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What a filter does not take never comes in, and of the rest come so many octets as it says; without it all comes again.
func TestAFilterDropsAndCuts(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0) // what is sent is there at once
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	send := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := unix.Write(pair[0], []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		n, err := unix.Read(pair[1], b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("%q, %v, want %q", b[:max(n, 0)], err, want)
		}
	}
	first := func(letter byte, octets uint32) []bpf.Instruction {
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(letter), SkipFalse: 1},
			bpf.RetConstant{Val: octets}, bpf.RetConstant{Val: 0},
		}
	}
	if err := Attach(pair[1], first('a', 3)); err != nil {
		t.Fatal(err)
	}
	send("b0", "a1234", "b2", "a")
	next("a12")
	next("a")
	if err := Attach(pair[1], first('b', 100)); err != nil { // in place of the other
		t.Fatal(err)
	}
	send("a1", "b1")
	next("b1")
	for range 2 { // none is removed the second time
		Detach(pair[1])
		send("a2")
		next("a2")
	}
}

func TestAFilterThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		fd      int
		program []bpf.Instruction
	}{
		"an operand of three octets": {0, []bpf.Instruction{bpf.LoadAbsolute{Size: 3}}},
		"no socket":                  {-1, []bpf.Instruction{bpf.RetConstant{}}},
	} {
		if err := Attach(c.fd, c.program); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
