// Package plural counts things in words: "1 line was", "2 lines were".
//
// It owns the English forms of a number with its noun and verb, and nothing else.
package plural

import (
	"strconv"
	"strings"
)

// Of is n of what a word names.
func Of(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if stem, ok := strings.CutSuffix(word, "y"); ok && !strings.ContainsAny(stem[len(stem)-1:], "aeou") {
		return strconv.Itoa(n) + " " + stem + "ies"
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// Is is the verb of n things.
func Is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Was is the verb of n things in the past.
func Was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
