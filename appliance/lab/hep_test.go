package lab

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A call is copied to a capture server: both legs have the id of the call, and sngrep, which reads HEP3 with code that is not ours, finds
// the messages with the addresses of the peers in the packets. At its end the server is told of the voice of both peers.
func TestACallIsCopiedToACaptureServer(t *testing.T) {
	r := runBox(t, Setup{})
	server, err := r.LAN.ListenPacket(r.ctx, "udp4", netip.AddrPortFrom(LANPeerAddr, 9060).String())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var mu sync.Mutex
	var file bytes.Buffer
	for _, v := range []any{uint32(0xa1b2c3d4), uint16(2), uint16(4), uint64(0), uint32(0xffff), uint32(1)} {
		binary.Write(&file, binary.NativeEndian, v)
	}
	correlations := map[string][]string{} // what came, by correlation id
	var reports []map[string]any
	callIDs := map[string]bool{} // of the call
	go func() {
		b := make([]byte, 65536)
		for {
			n, _, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			chunks := hepChunks(b[:n])
			if chunks[11] == "\x22" {
				report := map[string]any{}
				if err := json.Unmarshal([]byte(chunks[15]), &report); err != nil || report["CORRELATION_ID"] != chunks[17] {
					t.Errorf("under %s: %s: %v", chunks[17], chunks[15], err)
				}
				reports = append(reports, report)
				mu.Unlock()
				continue
			}
			first, _, _ := strings.Cut(chunks[15], "\r\n")
			if strings.HasPrefix(first, "BYE ") {
				callIDs[regexp.MustCompile(`(?m)^Call-ID: (.*)\r$`).FindStringSubmatch(chunks[15])[1]] = true
			}
			correlations[chunks[17]] = append(correlations[chunks[17]], first)
			frame := append(append(make([]byte, 12), 8, 0, 0x45, 0, byte((28+n)>>8), byte(28+n), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x23, 0x64, 0x23, 0x64, byte((8+n)>>8), byte(8+n), 0, 0), b[:n]...)
			for _, v := range []any{uint64(0), uint32(len(frame)), uint32(len(frame)), frame} {
				binary.Write(&file, binary.NativeEndian, v)
			}
			mu.Unlock()
		}
	}()
	if out, err := r.box.Paste(r.ctx, "enable\nconfigure\nhep-client\nremote "+LANPeerAddr.String()+"\nnode 2001 sbc01\nend\n"); err != nil {
		t.Fatal(err, out)
	}
	r.wait("the first message", func() bool { // the configuration is applied a moment after it was typed
		if text, err := r.box.Paste(r.ctx, "enable\nregister now\n"); err != nil {
			t.Fatal(err, text)
		}
		mu.Lock()
		defer mu.Unlock()
		return len(correlations) > 0
	})
	out, in := r.fromPBX(Ring{})
	calls, err := r.box.Exec(r.ctx, "show calls")
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`(?m)^[0-9a-f]{8}\b`).FindString(calls)
	wantTone(t, "the caller", out.Audio, TeamsTone)
	wantTone(t, "the callee", in.Audio, StarfaceTone)
	r.end(out, in)
	r.ended()
	r.wait("the last message", func() bool {
		mu.Lock()
		defer mu.Unlock()
		byes := 0
		for _, first := range correlations[id] {
			if strings.HasPrefix(first, "BYE ") {
				byes++
			}
		}
		return byes == 2 && len(reports) == 2
	})
	mu.Lock()
	defer mu.Unlock()
	for other, messages := range correlations {
		if other != id && slices.ContainsFunc(messages, func(first string) bool {
			return strings.HasPrefix(first, "INVITE ") || strings.HasPrefix(first, "BYE ")
		}) {
			t.Errorf("messages of the call are under %q: %q", other, messages)
		}
	}
	for n, from := range []netip.Addr{StarfaceAddr, MediaAddr} {
		report := reports[n]
		callID, _ := report["RTP_SIP_CALL_ID"].(string)
		packets, _ := report["TOTAL_PK"].(float64)
		if report["CORRELATION_ID"] != id || report["SRC_IP"] != from.String() || report["DIR"] != float64(n) || report["CODEC_NAME"] != "PCMA" || packets == 0 || !callIDs[callID] {
			t.Errorf("the voice from %s is told as %v; the legs are %v", from, report, callIDs)
		}
		delete(callIDs, callID)
	}
	if keys.Match(file.Bytes()) || !bytes.Contains(file.Bytes(), []byte("inline:")) {
		t.Error("the keys of media are not masked, or there were none")
	}
	name := filepath.Join(t.TempDir(), "hep.pcap")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(r.ctx, "sngrep", "-N", "-F", "-E", "-I", name, "-O", name+".sip").CombinedOutput(); err != nil {
		t.Fatalf("sngrep: %v: %s", err, text)
	}
	text, err := exec.CommandContext(r.ctx, "tshark", "-n", "-r", name+".sip", "-Y", "sip.Method == INVITE", "-T", "fields", "-E", "separator=;", "-e", "ip.src", "-e", "ip.dst", "-e", "sip.Method").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for _, want := range []string{"192.168.1.100;192.168.1.1;INVITE\n", "123.123.123.123;52.114.75.24;INVITE\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("sngrep and tshark find no %q:\n%s", want, text)
		}
	}
}

// hepChunks takes a packet of HEP3 apart.
func hepChunks(b []byte) map[uint16]string {
	chunks := map[uint16]string{}
	for b = b[6:]; len(b) >= 6; {
		size := int(binary.BigEndian.Uint16(b[4:]))
		if size < 6 || size > len(b) {
			break
		}
		chunks[binary.BigEndian.Uint16(b[2:])], b = string(b[6:size]), b[size:]
	}
	return chunks
}
