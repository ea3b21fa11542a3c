// Package browser tests the web page in Chromium, with the real sbcd and the real consoled. It has tests only, and no goroutines of its own.
//
// One Chromium and one pair of programs, built with -race, serve the whole package. rig_test.go has what tests use:
//
//	b := sharedBox(t)                // or newBox(t, "lines", "of", "configuration") for a test that changes something
//	p := b.login(t, "admin")         // a browser of its own, logged in; accounts: admin (superuser), technician (administrator), viewer (operator)
//	p.open("/who")
//	p.click("text of a button or link"), p.fill("name", "value"), p.wait("a condition in JavaScript"), p.text("main")
//	p.look("who")                    // screenshots at three widths in both themes, and axe-core finds nothing
//
// Screenshots are written to build/screenshots.
package browser
