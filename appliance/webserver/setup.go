package webserver

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	codeDigits = 8
	codeTries  = 20          // wrong codes, from wherever they come, until another one is made
	codePause  = time.Minute // and for how long none is taken then: nobody tries a hundred million codes at that pace
)

// setup is the code with which the first account is made over the network. It is shown at the box alone, so whoever has it stands there, or has been told
// by somebody who does.
type setup struct {
	mu    sync.Mutex
	code  string // "": none was needed yet
	wrong int
	rests time.Time // until then none is taken
}

// Why a set-up code opens nothing.
var (
	ErrWrongCode = errors.New("the set-up code is wrong")
	ErrCodeRests = errors.New("too many wrong set-up codes: a new one was made, see the serial line, and wait a minute")
	ErrNoSetup   = errors.New("an account has a password: log in with that")
)

// SetupCode is the code for a box of which no account has a password; "": one has. It must be shown at the box only, and is never logged.
func (s *Server) SetupCode() string {
	if !s.o.Open() {
		return ""
	}
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	return s.setup.current()
}

// current makes the code when there is none. The lock is held.
func (c *setup) current() string {
	if c.code == "" {
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(codeDigits), nil)
		n, err := rand.Int(rand.Reader, limit)
		if err != nil {
			panic(err) // the kernel has no random numbers
		}
		c.code = fmt.Sprintf("%0*d", codeDigits, n)
	}
	return c.code
}

// SetUp calls open if the code is right. When that makes the first password, the code is used up. Nobody else sets the box up meanwhile.
func (s *Server) SetUp(code string, open func() error) error {
	c := &s.setup
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case !s.o.Open():
		return ErrNoSetup
	case now.Before(c.rests):
		return ErrCodeRests
	case subtle.ConstantTimeCompare([]byte(code), []byte(c.current())) != 1:
		if c.wrong++; c.wrong >= codeTries {
			c.code, c.wrong, c.rests = "", 0, now.Add(codePause)
			s.o.Log.Warn("too many wrong set-up codes, another one was made", "count", codeTries)
		}
		return ErrWrongCode
	}
	if err := open(); err != nil {
		return err
	}
	if !s.o.Open() {
		c.code, c.wrong = "", 0
	}
	return nil
}
