//go:build race

package word

import "golang.org/x/crypto/bcrypt"

// hashCost under the race detector, which is for tests alone: there a hash takes ten times as long, and a text with three passwords
// as long as any text may take.
const hashCost = bcrypt.MinCost
