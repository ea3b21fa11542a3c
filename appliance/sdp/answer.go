package sdp

// Offer describes our side. It fails with 488 when the profile and the other leg have no codec in common.
func Offer(l Local) (*Session, error) { return nil, nil }

// Answer answers a peer's offer and says what was agreed. Errors are *Error with code 488.
func Answer(offer *Session, l Local) (*Session, *Choice, error) { return nil, nil, nil }

// Accept says what a peer's answer to our offer agreed on. Errors are *Error with code 488.
func Accept(offer, answer *Session) (*Choice, error) { return nil, nil }

// NewCrypto makes a line with a fresh random key.
func NewCrypto(suite string, tag int) (Crypto, error) { return Crypto{}, nil }
