package appliance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"viaduct/appliance/audit"
	"viaduct/appliance/cdr"
	"viaduct/appliance/flash"
	"viaduct/appliance/logs"
	"viaduct/appliance/messages"

	"golang.org/x/crypto/bcrypt"

	"viaduct/appliance/api"
	"viaduct/appliance/api/wire"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	foreign "viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

// sample is a line of the text that Prometheus collects: a name, labels with the escapes of the format, a number.
var sample = regexp.MustCompile(`^[a-z_]+(\{([a-z]+="([^"\\]|\\[\\"])*",?)*\})? [-+0-9.eInfa]+$`)

// Every part of the status is JSON that a terminal can show, the metrics are lines of their format, and the greeting has no line of a peer's.
func TestPeersCannotSteerTheAPI(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	box := &hostileBox{cfg: config.New()}
	box.cfg.Accounts = []*config.Account{{Class: config.Operator, Name: "anna", Password: config.Secret(hash)}}
	backend := api.NewBackend(lang.New(), box)
	socket := filepath.Join(t.TempDir(), "sbcd.sock")
	server, err := api.Listen(api.Options{Socket: socket}, backend)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	get := func(path string) string {
		r, err := client.Get("http://sbcd" + path)
		if err != nil {
			t.Fatalf("%s: %v: does hostileBox have the method for it?", path, err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var all status.Parts
	if err := json.Unmarshal([]byte(get(wire.PathStatus)), &all); err != nil || len(all.Parts) == 0 {
		t.Fatal(err, all)
	}
	for box.variant = range foreign.Variants {
		for _, part := range all.Parts {
			text := get(wire.PathStatus + "/" + part)
			if why := foreign.Line(strings.TrimSuffix(text, "\n")); why != "" || !json.Valid([]byte(text)) {
				t.Errorf("%s, variant %d, %s: %s", part, box.variant, why, text)
			}
		}
		metrics := get(wire.PathMetrics)
		for line := range strings.Lines(metrics) {
			if line = strings.TrimSuffix(line, "\n"); foreign.Line(line) != "" || !strings.HasPrefix(line, "# ") && !sample.MatchString(line) {
				t.Errorf("the metrics have a line %q", line)
			}
		}
		cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(metrics)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
		in := backend.Login(t.Context(), wire.LoginRequest{User: "anna", Password: "p", TTY: foreign.Text})
		if why := foreign.Page(in.Banner); !in.OK || why != "" {
			t.Errorf("the greeting %s, %+v", why, in)
		}
	}
}

// What is handed to support opens no box.
func TestWhatSupportGetsHasNoSetUpCode(t *testing.T) {
	box, out := &hostileBox{cfg: config.New()}, &strings.Builder{}
	if _, err := lang.New().Exec(t.Context(), box, &lang.Session{Class: config.Superuser, TTY: "serial", Mode: []string{"enable"}}, "show tech-support", nil, out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, box.SetupCode()) || !strings.Contains(text, "---- show webserver ----") {
		t.Errorf("%s", text)
	}
}

// far is how much of a text an attacker may send.
const far = 60_000

// records are the records of calls in each variant, as the flash may hold them.
func records() (list []status.Record) {
	for variant := range foreign.Variants {
		list = append(list, foreign.Fill[status.Record](variant, words...))
	}
	return list
}

// A record is one row, which no spreadsheet calculates.
func TestPeersCannotSteerASpreadsheet(t *testing.T) {
	var table strings.Builder
	list := append(records(), foreign.Fill[status.Record](0)) // of a version whose words nobody knows
	for _, r := range list {
		row := cdr.Row(r)
		if why := foreign.Line(row); why != "" {
			t.Errorf("a row %s", why)
		}
		table.WriteString(row + "\n")
	}
	rows, err := csv.NewReader(strings.NewReader(cdr.Header() + "\n" + table.String())).ReadAll()
	if err != nil || len(rows) != len(list)+1 {
		t.Fatalf("%v: %d rows", err, len(rows))
	}
	marked := 0
	for _, row := range rows[1:] {
		for n, cell := range row {
			if _, err := strconv.ParseFloat(cell, 64); err != nil && strings.ContainsAny(cell[:min(len(cell), 1)], "=+-@|%\t\r") {
				t.Errorf("%s begins with a formula: %q", rows[0][n], cell)
			}
			if strings.Contains(cell, foreign.Mark) {
				marked++
			}
		}
	}
	if marked < 100 {
		t.Errorf("only %d cells have text of peers", marked)
	}
}

// said is what reaches a syslog server over UDP, and over TCP, where each message has its length in front.
func said(t *testing.T, format string, n int, tell func(*logs.Syslog)) (list []string) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	syslog, cfg := logs.NewSyslog(), config.New()
	cfg.Syslog = &config.Syslog{}
	cfg.Syslog.SetDefaults()
	cfg.Syslog.Format, cfg.Syslog.Severity = format, "debug"
	cfg.Syslog.Remotes = []config.SyslogRemote{{Host: "a", Port: uint16(udp.LocalAddr().(*net.UDPAddr).Port), Transport: "udp"}, {Host: "b", Port: uint16(tcp.Addr().(*net.TCPAddr).Port), Transport: "tcp"}}
	syslog.Apply(cfg, "sbc01")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- syslog.Run(ctx, logs.SyslogNeeds{
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			},
			Away: func(string, string) {},
		})
	}()
	defer func() { cancel(); <-ended }()
	tell(syslog)
	conn, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range n {
		var size int
		if _, err := fmt.Fscanf(in, "%d ", &size); err != nil || size > 8192 {
			t.Fatalf("a frame of %d octets: %v", size, err)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(in, text); err != nil {
			t.Fatal(err)
		}
		datagram := make([]byte, 65536)
		got, _, err := udp.ReadFrom(datagram)
		if err != nil || got > 1400 {
			t.Fatalf("a datagram of %d octets: %v", got, err)
		}
		list = append(list, string(text), string(datagram[:got]))
	}
	return list
}

// What the log, the trail, the alarms and the records of calls tell a syslog server is one line each, which begins as the box wants it to.
func TestPeersCannotForgeWhatSyslogServersRead(t *testing.T) {
	long := foreign.Text + strings.Repeat("y", far)
	trail := foreign.Fill[[]status.Audit](0, status.AuditRefused, status.AuditCommand)
	alarms := foreign.Fill[[]health.Alarm](0)
	heads := map[string]*regexp.Regexp{
		"rfc5424": regexp.MustCompile(`^<\d+>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z sbc01 sbcd - (-|audit) (-|\[viaduct@0( [a-z]+="([^"\\\]]|\\["\\\]])*")+\]) msg=`),
		"rfc3164": regexp.MustCompile(`^<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d sbc01 sbcd: msg=`),
	}
	for format, head := range heads {
		list := said(t, format, 4+len(alarms)+len(records())+len(trail), func(s *logs.Syslog) {
			log := slog.New(s.Handler())
			log.Info(foreign.Text, "call", foreign.Text, "subject", foreign.Text, "err", foreign.Err, "list", []string{foreign.Text}, "value", alarms[0])
			log.Warn(long, "call", long, "err", errors.New(long))
			log.With("account", foreign.Text).Error("x", slog.Group("g", "k", foreign.Text))
			s.Tell("local3", foreign.Text, slog.String("call", long))
			for _, a := range alarms {
				log.Error("alarm raised", "alarm", a.ID, "subject", a.Subject, "err", a.Text)
			}
			for _, r := range records() {
				s.Tell("local3", "call record", cdr.Attrs(r)...)
			}
			kept := audit.New(audit.Options{Open: func() (*flash.Log, error) { return nil, errors.New("no flash") }, Fail: func(error) {}, Log: slog.New(s.Audit())})
			for _, e := range trail {
				kept.Note(e, func(e *status.Audit) { e.Line += strings.Repeat("y", far) })
			}
			told, err := kept.Last(100, func(status.Audit) bool { return true })
			if err != nil || len(told) != len(trail) {
				t.Errorf("%v: the trail has %d entries", err, len(told))
			}
			for _, e := range told {
				for _, text := range []string{e.Account, e.From, e.Mode, e.Line, e.Error} {
					if why := foreign.Line(text); why != "" || len(text) > 1000 {
						t.Errorf("the trail keeps %d octets: %s", len(text), why)
					}
				}
			}
		})
		for _, text := range list {
			if why := foreign.Line(text); why != "" || !head.MatchString(text) {
				t.Errorf("%s: %s%.300q", format, why, text)
			}
		}
	}
}

// A capture of a call names it, its interfaces and its packets in lines of text.
func TestPeersCannotSteerWhoReadsCaptures(t *testing.T) {
	marked := 0
	for variant := range foreign.Variants {
		box := &hostileBox{variant: variant}
		call, _ := box.CallTrace("")
		var file bytes.Buffer
		if err := messages.Capture(&file, foreign.Text, call, nil); err != nil {
			t.Fatal(err)
		}
		for _, text := range options(t, file.Bytes()) {
			if why := foreign.Line(text); why != "" || len(text) > 8192 {
				t.Errorf("variant %d: an option of %d octets: %s", variant, len(text), why)
			}
			if strings.Contains(text, foreign.Mark) {
				marked++
			}
		}
	}
	if marked < 2*foreign.Variants {
		t.Errorf("only %d texts of peers", marked)
	}
}

// options are the texts in the blocks of a pcapng: comments, names, programs.
func options(t *testing.T, file []byte) (list []string) {
	for len(file) > 0 {
		kind, size := binary.LittleEndian.Uint32(file), binary.LittleEndian.Uint32(file[4:])
		body := file[8 : size-4]
		file = file[size:]
		var texts []uint16 // options that are text
		switch kind {
		case 0x0a0d0d0a: // section header
			body, texts = body[16:], []uint16{1, 2, 3, 4}
		case 1: // interface description
			body, texts = body[8:], []uint16{1, 2, 3}
		case 6: // enhanced packet
			captured := binary.LittleEndian.Uint32(body[12:])
			body, texts = body[20+(captured+3)/4*4:], []uint16{1}
		default:
			t.Fatalf("a block of kind %x", kind)
		}
		for len(body) >= 4 {
			code, octets := binary.LittleEndian.Uint16(body), int(binary.LittleEndian.Uint16(body[2:]))
			if slices.Contains(texts, code) {
				list = append(list, string(body[4:4+octets]))
			}
			body = body[4+(octets+3)/4*4:]
		}
	}
	return list
}
