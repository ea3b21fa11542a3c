package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A kill of the emulator alone is kinder than a power cut: all that the box has written is in the host's memory by then, flushed or not.
// A medium forgets what it was not told to flush, in any order, and of a long write it may keep some sectors. So the box
// runs on a copy of the disk, the emulator logs each write and each flush that reaches it (its block driver blklogwrites), and what the
// box finds after the cut is made from the disk as it was and this log: all up to the last flush, and some of the rest.
//
// How the host's file is cached does not count then; the emulator does not wait for the host's disk (cache.no-flush).

// logged is a box whose writes are logged.
type logged struct {
	*emulated
	disk, log string // the medium as it was when the power came; what has been written since
}

func powerOnLogged(t *testing.T, m Machine) logged {
	t.Helper()
	l := logged{disk: m.Disk, log: filepath.Join(m.Work, "writes")}
	m.Disk, m.WriteLog = filepath.Join(m.Work, "run.img"), l.log
	tool(t, "cp", "--sparse=always", l.disk, m.Disk)
	if err := os.WriteFile(l.log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.emulated = powerOn(t, m)
	return l
}

// firstWrite waits until the box writes something.
func (l logged) firstWrite() {
	l.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if size, _ := l.written(); size > 0 {
			return
		}
	}
	l.t.Fatalf("nothing is written within %v", patience)
}

// written tells the size of the log, and when the box last wrote something.
func (l logged) written() (bytes int64, last time.Time) {
	l.t.Helper()
	info, err := os.Stat(l.log)
	if err != nil {
		l.t.Fatal(err)
	}
	return info.Size(), info.ModTime()
}

// cut cuts the power. The disk then holds what a medium would.
func (l logged) cut(random *rand.Rand) loss {
	l.t.Helper()
	l.powerOff()
	log, err := os.ReadFile(l.log)
	if err != nil {
		l.t.Fatal(err)
	}
	disk, err := os.OpenFile(l.disk, os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer disk.Close()
	n, err := replay(disk, log, random)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// loss is what a power cut met.
type loss struct {
	writes, flushes int // since the power came
	open            int // writes after the last flush
	lost            int // of these, wholly or in part
}

func (n loss) String() string {
	return fmt.Sprintf("%d writes, %d flushes, then %d more of which %d were lost", n.writes-n.open, n.flushes, n.open, n.lost)
}

// Format of the log: a sector about itself, then for each request a sector and what was written. It is that of the kernel's dm-log-writes.
const (
	logFlush   = 1 << 0
	logFUA     = 1 << 1 // the write is on the medium when it is answered
	logDiscard = 1 << 2
)

// logWrite is a write in the log.
type logWrite struct {
	at   int64
	data []byte
	kept bool // whatever happens
}

func parseLog(log []byte) (list []logWrite, flushes, flushed int) {
	le := binary.LittleEndian
	for log = log[min(sector, len(log)):]; len(log) >= sector; {
		at, size, flags := int64(le.Uint64(log))*sector, int(le.Uint64(log[8:]))*sector, le.Uint64(log[16:])
		if size == 0 && flags == 0 {
			break // this request did not get into the log any more
		}
		log = log[sector:]
		if flags&logDiscard == 0 && size > 0 {
			data := log[:min(size, len(log))/sector*sector]
			list = append(list, logWrite{at, data, flags&logFUA != 0 && len(data) == size})
			log = log[len(data):]
		}
		if flags&logFlush != 0 { // a request that has both flushes what came before it
			flushes, flushed = flushes+1, len(list)
			if size > 0 {
				flushed--
			}
		}
	}
	return list, flushes, flushed
}

// replay writes to a disk what a medium keeps of a log.
func replay(disk *os.File, log []byte, random *rand.Rand) (loss, error) {
	list, flushes, flushed := parseLog(log)
	n := loss{writes: len(list), flushes: flushes, open: len(list) - flushed}
	for i, w := range list {
		data, at := w.data, w.at
		if i >= flushed && !w.kept {
			switch sectors := len(data) / sector; random.IntN(4) {
			case 0:
				data = nil
			case 1:
				data = data[:random.IntN(sectors+1)*sector]
			case 2:
				skip := random.IntN(sectors+1) * sector
				data, at = data[skip:], at+int64(skip)
			}
			if len(data) < len(w.data) {
				n.lost++
			}
		}
		if _, err := disk.WriteAt(data, at); err != nil {
			return n, fmt.Errorf("replay write %d: %w", i, err)
		}
	}
	return n, nil
}

func TestAMediumForgetsWhatWasNotFlushed(t *testing.T) {
	le := binary.LittleEndian
	log := make([]byte, sector)
	request := func(at, sectors, flags int, fill byte) {
		head := make([]byte, sector)
		le.PutUint64(head, uint64(at))
		le.PutUint64(head[8:], uint64(sectors))
		le.PutUint64(head[16:], uint64(flags))
		log = append(append(log, head...), bytes.Repeat([]byte{fill}, sectors*sector)...)
	}
	request(0, 4, 0, 'a')
	request(0, 0, logFlush, 0)
	request(4, 4, 0, 'b')
	request(8, 1, logFUA, 'c')
	log = append(log, make([]byte, sector)...) // never written
	name := filepath.Join(t.TempDir(), "disk")
	lost, kept := 0, 0
	for seed := range uint64(100) {
		if err := os.WriteFile(name, bytes.Repeat([]byte{'-'}, 9*sector), 0o600); err != nil {
			t.Fatal(err)
		}
		disk, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, err := replay(disk, log, rand.New(rand.NewPCG(seed, 0)))
		disk.Close()
		if err != nil || n.writes != 3 || n.flushes != 1 || n.open != 2 || n.lost > 1 {
			t.Fatalf("%+v, %v", n, err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if a, c := data[:4*sector], data[8*sector:]; bytes.Count(a, []byte{'a'}) != len(a) || bytes.Count(c, []byte{'c'}) != len(c) {
			t.Fatalf("seed %d: what was flushed is lost", seed)
		}
		b := bytes.Count(data, []byte{'b'})
		if b%sector != 0 || (b < 4*sector) != (n.lost == 1) {
			t.Fatalf("seed %d: %d bytes of the last write, %+v", seed, b, n)
		}
		lost, kept = lost+n.lost, kept+b/sector
	}
	if lost == 0 || lost == 100 || kept < 100 || kept > 300 {
		t.Errorf("of 100 writes %d were lost, %d of 400 sectors kept", lost, kept)
	}
}
