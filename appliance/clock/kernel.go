package clock

import (
	"fmt"
	"io/fs"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"
)

// Kernel is a clock that can be read and perhaps set. An error that wraps fs.ErrPermission means: not from here.
type Kernel interface {
	Now() time.Time
	// Step adds offset at once.
	Step(offset time.Duration) error
	// Slew takes offset out gradually; the next offset comes after interval. A new call replaces the rest of an earlier one.
	Slew(offset, interval time.Duration) error
}

// Tunable is a Kernel whose frequency is known, in parts per million by which it is made faster.
type Tunable interface {
	Frequency() (float64, error)
	SetFrequency(float64) error
}

// System is the kernel's clock. Setting it needs CAP_SYS_TIME in the first user namespace.
type System struct{}

func (System) Now() time.Time { return time.Now() }

func (System) Step(offset time.Duration) error {
	tx := unix.Timex{Modes: unix.ADJ_SETOFFSET, Time: unix.NsecToTimeval(offset.Nanoseconds())}
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
		return fmt.Errorf("step clock by %v: %w", offset, err)
	}
	return nil
}

// Slew lets the kernel's loop learn the frequency error as well (RFC 5905 section 11.3), so that the clock stays right while no
// server answers. The loop takes half a second at most; more than that is taken out at 0.5 ms per second.
func (System) Slew(offset, interval time.Duration) error {
	tx := unix.Timex{
		Modes:    unix.ADJ_OFFSET | unix.ADJ_STATUS | unix.ADJ_NANO | unix.ADJ_TIMECONST | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR,
		Status:   unix.STA_PLL,
		Offset:   offset.Nanoseconds(),
		Constant: max(int64(bits.Len64(uint64(interval/time.Second)))-1-4, 0), // log2 of the interval, in the loop's unit of 16 s
	}
	if offset.Abs() > maxPhase {
		tx = unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT, Offset: offset.Microseconds()}
	}
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
		return fmt.Errorf("slew clock by %v: %w", offset, err)
	}
	return nil
}

const (
	perMillion   = 1 << 16 // of the kernel's unit
	maxFrequency = 500     // parts per million, MAXFREQ of linux/timex.h
)

func (System) Frequency() (float64, error) {
	var tx unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
		return 0, fmt.Errorf("read frequency of the clock: %w", err)
	}
	return float64(tx.Freq) / perMillion, nil
}

func (System) SetFrequency(drift float64) error {
	tx := unix.Timex{Modes: unix.ADJ_FREQUENCY, Freq: int64(max(-maxFrequency, min(drift, maxFrequency)) * perMillion)}
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
		return fmt.Errorf("set frequency of the clock: %w", err)
	}
	return nil
}

// maxPhase is the largest offset that the kernel's loop takes (MAXPHASE of linux/timex.h).
const maxPhase = 500 * time.Millisecond

// Observer reads the system's clock and never sets it: for a development machine, whose clock is not ours.
type Observer struct{}

func (Observer) Now() time.Time                          { return time.Now() }
func (Observer) Step(time.Duration) error                { return errObserver }
func (Observer) Slew(time.Duration, time.Duration) error { return errObserver }

var errObserver = fmt.Errorf("the clock is only observed: %w", fs.ErrPermission)
