package browser

import (
	"slices"
	"strconv"
	"testing"
)

func TestWhoIsLoggedIn(t *testing.T) {
	b := sharedBox(t)
	p := b.login(t, "viewer")
	p.open("/who")
	p.wait(`document.querySelector("tbody")?.innerText.includes("web 127.0.0.1")`)
	p.look("who")
	if list := p.tabThrough(); !slices.Contains(list, "Users and audit") || slices.Contains(list, "Logged in") { // the same twice
		t.Errorf("Tab passes %q", list)
	}
	const sessions = `[...document.querySelectorAll("tbody tr")].filter((r) => r.innerText.includes("technician")).length`
	before := js[int](p, sessions) // of other tests
	other := b.login(t, "technician")
	p.wait(sessions + " === " + strconv.Itoa(before+1)) // by itself
	other.click("technician")
	other.click("Log out")
	other.waitText("You are logged out.")
	p.wait(sessions + " === " + strconv.Itoa(before))
}

func TestLoginPage(t *testing.T) {
	p := sharedBox(t).browse(t)
	p.open("/who")
	p.waitText("Password")
	p.look("login")
	p.fill("user", "viewer")
	p.fill("password", "wrong one")
	p.submit()
	p.waitText("The account or the password is wrong.")
	p.fill("password", password)
	p.submit()
	p.wait(`location.pathname === "/who"`)
	p.click("viewer")
	p.click("Deutsch")
	p.waitText("Angemeldet")
	p.look("who-de")
}
