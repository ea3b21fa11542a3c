// Package check finds the problems of a configuration and offers fixes.
//
// The checks are a pure function of a configuration and its surroundings (Env): a pasted line, `show config problems` and a file that is
// checked on another machine report the same problems. The package owns the checks and the type Problem. It does not parse lines, which
// is up to the table in package lang, and does not show problems, which is up to package answer. It has no goroutines.
package check
