package acme

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// An authority that does not answer a test of the administrator's must not hold up the end of the engine.
func TestNobodyWaitsForAnAccountLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{e: New(Options{})}
		waiting, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		err := s.alone(t.Context(), func(context.Context) error {
			go func() { done <- s.signIn(waiting) }()
			synctest.Wait()
			select {
			case err := <-done:
				t.Errorf("two at a time: %v", err)
			default:
			}
			end()
			return <-done
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
