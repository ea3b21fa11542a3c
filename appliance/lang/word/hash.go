//go:build !race

package word

import "golang.org/x/crypto/bcrypt"

// hashCost is what it costs whoever guesses a password, and the box at each login.
const hashCost = bcrypt.DefaultCost
