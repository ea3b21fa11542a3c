// Package siplegs holds what goroutines other than the owner's may know of call legs: who owns each, its outline, and the table that finds it
// by Call-ID and tag.
//
// It owns no leg (package sipgw) and decides nothing: it keeps what a leg has told about itself, under locks of its own.
//
// It starts no goroutines.
package siplegs
