package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// buildSBCD builds the program that PID 1 asks, with other source for some of its files.
func buildSBCD(t *testing.T, replaced map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-o", filepath.Join(dir, "sbcd")}
	if len(replaced) > 0 {
		text, err := json.Marshal(map[string]any{"Replace": replaced})
		if err != nil {
			t.Fatal(err)
		}
		overlay := filepath.Join(dir, "overlay.json")
		if err := os.WriteFile(overlay, text, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.Command("go", append(args, "viaduct/cmd/sbcd")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "sbcd")
}

// brokenRelay is the relay of the box with another first line of its Run.
func brokenRelay(t *testing.T) map[string]string {
	t.Helper()
	file, err := filepath.Abs("../../../appliance/system/engines.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "func (r *relay) Run(ctx context.Context) error {\n"
	broken := strings.Replace(string(text), begin, begin+"\tif ctx != nil {\n\t\treturn context.DeadlineExceeded\n\t}\n", 1)
	if broken == string(text) {
		t.Fatalf("%s has no relay.Run", file)
	}
	other := filepath.Join(t.TempDir(), "engines.go")
	if err := os.WriteFile(other, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{file: other}
}

// gatewayAt is a configuration with one gateway on a port of the loopback.
func gatewayAt(port int) string {
	return fmt.Sprintf(`context ip ROUTER
  interface LOOP
    ipaddress LOOP 127.0.0.1/8
context sip-gateway GW
  interface I
    bind ipaddress ROUTER LOOP LOOP
    transport-protocol udp+tcp %d
  no shutdown
`, port)
}

// bothAt listens over TCP and UDP at one port. Somebody else may have the number that the first one gets at the other.
func bothAt(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 {
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp4", tcp.Addr().String())
		if err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

// The box itself on trial, asked by PID 1 as on the board: an image whose relay cannot start is not confirmed and the box goes back, and so
// is one whose gateways hear nothing.
func TestTheTrialOfARealBox(t *testing.T) {
	taken, udp := bothAt(t)
	defer taken.Close()
	defer udp.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	sound := buildSBCD(t, nil)
	for name, c := range map[string]struct {
		program, config string
		says            string // what the box has to say of itself; "": nothing is wrong
	}{
		"all is well":            {sound, "", ""},
		"the relay cannot start": {buildSBCD(t, brokenRelay(t)), "", "the media relay does not run"},
		"no gateway can listen":  {sound, gatewayAt(port), "no gateway can listen"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			socket := startSBCD(ctx, t, c.program, c.config)
			ask := func(ctx context.Context) error { return askAt(ctx, socket) }
			limit := 5 * time.Minute // a sound box may take its time on a loaded machine
			if c.says != "" {
				for err := ask(ctx); err == nil || !strings.Contains(err.Error(), c.says); err = ask(ctx) {
					time.Sleep(100 * time.Millisecond)
				}
				limit = healthEvery
			}
			confirmed, restarted := false, false
			watcher{
				checks:  []check{{"sbcd", ask}},
				feed:    func() {},
				limit:   limit,
				restart: func() { restarted = true; cancel() },
				confirm: func() error { confirmed = true; cancel(); return nil },
			}.watch(ctx)
			if confirmed != (c.says == "") || restarted == confirmed {
				t.Errorf("confirmed %v, restarted %v", confirmed, restarted)
			}
		})
	}
}

// startSBCD starts a box until ctx ends, and returns its socket.
func startSBCD(ctx context.Context, t *testing.T, program, config string) string {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	args := []string{"-state", filepath.Join(dir, "state"), "-socket", socket, "-board", "sim", "-installer", filepath.Join(dir, "none")}
	if config != "" {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-config", file)
	}
	box := exec.CommandContext(ctx, program, args...)
	box.Cancel = func() error { return box.Process.Signal(os.Interrupt) }
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Wait() })
	return socket
}
