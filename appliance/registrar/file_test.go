package registrar

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

func TestPhonesOutliveARestart(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5062", "21", "hush")
		p.contact = `<sip:21@192.168.0.9;line=x>;q=0.25;+sip.instance="<urn:uuid:7>";reg-id=3`
		p.register(120, 200)
		tcp := b.phone("10.108.2.52:40001", "22", "other").connect()
		tcp.contact = `<sip:22@10.108.2.52:40001;transport=tcp>`
		tcp.register(300, 200)
		gone := b.phone("10.108.2.54:5060", "24", "")
		gone.register(300, 200)
		gone.register(0, 200)
		b.stop()
		b.came = nil
		b.wait(24 * time.Hour) // of which a box without a clock knows nothing
		b.start()
		b.wants("21", "sip:21@192.168.0.9;line=x at 10.108.2.51:5062/udp")
		b.wants("22", "") // its connection is no more
		b.wants("24", "")
		if list := b.reg.Bindings(); len(list) != 2 || list[0].State != status.BindingRegistered || list[1].State != status.BindingWaiting || time.Until(list[0].Expires) != 120*time.Second {
			t.Errorf("%+v", list)
		}
		if name, _ := b.reg.Model(p.at.Addr()); name != p.agent {
			t.Errorf("%q is known of it", name)
		}
		if got := p.invite("22"); got != 603 {
			t.Errorf("it calls before it has registered again: %d", got)
		}
		if got := field(p.register(120, 200), "Contact"); !strings.Contains(got, "q=0.25") || len(b.came) != 0 {
			t.Errorf("%s, new: %v", got, b.came)
		}
		again := b.phone("10.108.2.52:40009", "22", "other").connect()
		again.contact, again.callID = tcp.contact, "x"
		again.register(300, 200)
		b.wants("22", "sip:22@10.108.2.52:40001;transport=tcp at 10.108.2.52:40009/tcp")
		if strings.Join(b.came, " ") != "LS/22" {
			t.Errorf("new: %v", b.came)
		}
		b.stop()
		b.start()
		b.wait(301 * time.Second)
		if list := b.reg.Bindings(); len(list) != 0 {
			t.Errorf("%+v stay for ever", list)
		}
		if log := b.log.take(); !strings.Contains(log, "it did not come back after a restart of the box") {
			t.Error(log)
		}
	})
}

// The connections of a box that ends may end before its last save, or after a save of every half minute.
func TestConnectionsThatEndWithTheBox(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		early, late := b.phone("10.108.2.51:40001", "21", "hush").connect(), b.phone("10.108.2.52:40001", "22", "other").connect()
		early.register(300, 200)
		late.register(300, 200)
		early.conn.Close()
		b.wait(endsWithin + time.Second)
		late.conn.Close()
		b.wait(0)
		b.reg.save()
		b.stop()
		b.start()
		if list := b.reg.Bindings(); len(list) != 1 || list[0].Identity != "22" || list[0].State != status.BindingWaiting {
			t.Errorf("%+v", list)
		}
	})
}

// Refreshes are most of what phones do: none may wear out the flash.
func TestRefreshesAreNotWritten(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5060", "21", "hush")
		p.register(120, 200)
		b.wait(saveEvery)
		if b.shelf.saves != 1 {
			t.Fatalf("saved %d times", b.shelf.saves)
		}
		for range 60 {
			p.register(120, 200)
			b.wait(time.Minute)
		}
		if b.shelf.saves != 1 {
			t.Errorf("saved %d times in an hour", b.shelf.saves)
		}
		p.contact = "<sip:21@10.108.2.51:5060;moved=yes>"
		p.register(120, 200)
		p.register(0, 200)
		b.wait(saveEvery)
		if b.shelf.saves != 2 {
			t.Errorf("saved %d times", b.shelf.saves)
		}
	})
}

// What the file has and the configuration does not, and more phones than an identity may have, stay out.
func TestFileOfAnotherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{T: t, cfg: configured(), shelf: &shelf{}, log: &journal{}, told: table{}}
		b.cfg.Location[0].Groups[0].Inbound.MaxContacts = 1
		b.shelf.text = []byte(`[{"location":"LS","identity":"21","contact":"sip:21@a","q":1000,"addr":"10.108.2.51:5060","transport":"udp","call_id":"1","cseq":1,"lifetime_s":7200},
			{"location":"LS","identity":"21","contact":"sip:21@b","q":1000,"addr":"10.108.2.51:5060","transport":"udp","call_id":"1","cseq":1,"lifetime_s":60},
			{"location":"LS","identity":"99","contact":"sip:99@a","q":1000,"addr":"10.108.2.51:5060","transport":"udp","call_id":"1","cseq":1,"lifetime_s":60},
			{"location":"LS","identity":"26","contact":"sip:26@a","q":1000,"addr":"10.108.2.51:5060","transport":"udp","call_id":"1","cseq":1,"lifetime_s":60}]`)
		sound := b.cfg
		b.cfg = config.New()
		b.start()
		defer func() { b.stop() }()
		b.wait(2 * saveEvery)
		b.reg.Apply(sound)
		if list := b.reg.Bindings(); len(list) != 1 || list[0].Contact != "sip:21@a" || time.Until(list[0].Expires) != time.Hour {
			t.Errorf("%+v", list)
		}
	})
}

func TestFilesThatAreRefused(t *testing.T) {
	const sound = `[{"location":"LS","identity":"21","contact":"sip:21@a","instance":"<urn:uuid:1>","reg_id":"1","q":1000,"addr":"10.108.2.51:5060","transport":"udp","call_id":"1","cseq":1,"lifetime_s":60}]`
	if _, err := read([]byte(sound)); err != nil {
		t.Fatal(err)
	}
	for old, bad := range map[string]string{
		sound:                  "",
		"[":                    "",
		`"LS"`:                 `""`,
		`"21"`:                 `""`,
		"sip:21@a":             "tel:21",
		"21@a":                 "21@a>,<sip:x@b",
		"@a\"":                 "@a?Route=x\"",
		"<urn:uuid:1>":         `<\"`,
		`"reg_id":"1"`:         `"reg_id":"0"`,
		"1000":                 "1001",
		"10.108.2.51:5060":     "10.108.2.51:0",
		`"addr":`:              `"local":`,
		`"udp"`:                `"ws"`,
		`"call_id":"1"`:        `"call_id":"` + strings.Repeat("x", 5000) + `"`,
		`"cseq":1`:             `"cseq":-1`,
		`"lifetime_s":60`:      `"lifetime_s":0`,
		`"lifetime_s":60}`:     `"lifetime_s":60`,
		`"contact":"sip:21@a"`: `"contact":"sips:21@a"`,
	} {
		text := strings.Replace(sound, old, bad, 1)
		if list, err := read([]byte(text)); err == nil {
			t.Errorf("%s is %+v", text, list)
		}
	}
	many := "[" + strings.Repeat(sound[1:len(sound)-1]+",", mostPhones) + sound[1:]
	if _, err := read([]byte(many)); err == nil {
		t.Error("too many are read")
	}
}

// crashing is set in a process that writes files of bindings until it is killed.
const crashing = "VIADUCT_REGISTRAR_CRASHING"

// A process that is killed at any moment, also between the new file and its rename, leaves phones behind: the old ones or the new ones.
func TestPhonesSurviveACrash(t *testing.T) {
	if dir := os.Getenv(crashing); dir != "" {
		writeForEver(dir)
	}
	const rounds = 25
	for n := range rounds {
		dir := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=^TestPhonesSurviveACrash$")
		child.Env = append(os.Environ(), crashing+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make([]byte, 1)
		for range n + 1 { // one octet for each time that it begins to write
			if _, err := out.Read(lines); err != nil {
				t.Fatal(err)
			}
		}
		child.Process.Kill()
		child.Wait()
		s, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := New(Options{Store: s})
		r.Apply(configured())
		list := r.Bindings()
		if n == 0 && len(list) == 0 {
			continue // it was killed before its first file was there
		}
		if len(list) != 1 || list[0].Identity != "21" {
			t.Errorf("round %d: %+v", n, list)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*.damaged"))
		if err != nil || len(left) > 0 {
			t.Errorf("round %d: %v %v", n, left, err)
		}
	}
}

// writeForEver saves a phone whose contact grows and shrinks, and says so each time.
func writeForEver(dir string) {
	s, err := store.Open(dir)
	if err != nil {
		panic(err)
	}
	for n := 0; ; n++ {
		k := keptBinding{Location: "LS", Identity: "21", Contact: "sip:21@" + strings.Repeat("a", 1+n%300), Q: 1000, Transport: "udp", Lifetime: 60, CallID: "1"}
		if err := k.Addr.UnmarshalText([]byte("10.108.2.51:5060")); err != nil {
			panic(err)
		}
		text, err := json.Marshal([]keptBinding{k})
		if err != nil {
			panic(err)
		}
		os.Stdout.Write([]byte("."))
		if err := s.SaveBindings(text); err != nil {
			panic(err)
		}
	}
}
