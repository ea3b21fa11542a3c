package system

import (
	"time"

	"viaduct/appliance/store"
)

// Backup returns startup-config, key store and licenses as one block, encrypted under the pass phrase.
func (s *System) Backup(passphrase string) ([]byte, error) {
	b, err := s.store.Backup()
	if err != nil {
		return nil, err
	}
	b.Made, b.Serial = time.Now().UTC(), s.o.Board.SerialNumber()
	if s.o.Secrets != nil {
		b.SecretKey = s.o.Secrets.Key()
	}
	return b.Seal(passphrase)
}

// checkedBackup opens a backup that can be stored.
func checkedBackup(text []byte, passphrase string) (*store.Backup, error) {
	b, err := store.OpenBackup(text, passphrase)
	if err != nil {
		return nil, err
	}
	return b, b.Check()
}

// CheckBackup says what a backup holds, and stores nothing.
func (s *System) CheckBackup(text []byte, passphrase string) (string, error) {
	b, err := checkedBackup(text, passphrase)
	if err != nil {
		return "", err
	}
	return b.Summary(), nil
}

// Restore stores everything that a backup holds. Nothing is touched before all of it has been read and checked.
func (s *System) Restore(text []byte, passphrase string) (string, error) {
	b, err := checkedBackup(text, passphrase)
	if err != nil {
		return "", err
	}
	if s.o.Secrets != nil && b.SecretKey != nil {
		if err := s.o.Secrets.Adopt(b.SecretKey); err != nil {
			return "", err
		}
	}
	if err := s.store.Restore(b); err != nil {
		return "", err
	}
	if len(b.Startup) > 0 {
		s.rewritten(b.Startup)
	}
	s.republish()
	s.judgeLicenses()
	s.ends.Judge()
	return b.Summary(), nil
}
