package explain

import (
	"fmt"
	"strings"

	"viaduct/appliance/status"
)

// tried tells what became of each destination.
func (x *explanation) tried() {
	for n, a := range x.r.Attempts {
		number := ""
		if len(x.r.Attempts) > 1 {
			number = fmt.Sprintf("%d. ", n+1)
		}
		x.say(Tried, "%s%s", number, x.attempt(a))
	}
}

func (x *explanation) attempt(a status.Attempt) string {
	where := interfaceAt(a.Interface, a.Peer)
	switch a.Chosen {
	case status.ChosenPickup:
		return where + " took the place of the peer before"
	case status.ChosenTransfer:
		where = "Transfer to " + where
	case status.ChosenForwarded:
		where = "Forwarded by the phone to " + where
	}
	return where + x.asked(a) + " " + x.outcome(a)
}

// asked is whom a destination was asked for, where the way does not say so, and for which account.
func (x *explanation) asked(a status.Attempt) (text string) {
	if a.Called != "" && a.Called != x.r.CalledMapped && (a.Called != x.r.Called || x.r.CalledMapped != "") && a.Outcome != status.Skipped && a.Outcome != status.Declined {
		text = ", asked for " + a.Called + ","
	}
	if a.Account != "" {
		text += " on account " + a.Account
	}
	return text
}

// outcome goes on with what the destination did.
func (x *explanation) outcome(a status.Attempt) string {
	rang := ""
	if !a.Ringing.IsZero() {
		rang = "rang " + after(a.Ringing.Sub(a.Started)) + " and "
	}
	took := after(a.Ended.Sub(a.Started))
	switch a.Outcome {
	case status.Answered:
		return rang + "answered " + took
	case status.Refused:
		return rang + "refused " + took + said(a)
	case status.Unreached:
		return "was not reached: " + a.Text
	case status.Silent:
		return "sent nothing at all, and was given up " + took
	case status.Skipped:
		return "was passed over: " + strings.Replace(a.Text, "the peer of "+a.Interface, "its peer", 1)
	case status.Declined:
		return "was not called: " + a.Text
	case status.Unusable:
		return rang + "answered " + took + ", but " + a.Text
	case status.Cancelled:
		return rang + "was given up " + took
	}
	if x.r.Version < 2 { // which knew the code alone
		if a.Code == 0 {
			return "did not answer"
		}
		return "answered" + said(a)
	}
	return rang + "has not answered yet"
}

// said is what a peer gave as its reason.
func said(a status.Attempt) string {
	var b strings.Builder
	if a.Code > 0 {
		fmt.Fprintf(&b, " with %s", code(a.Code))
	}
	if a.Cause > 0 && !implied(a.Code, a.Cause) && (a.Microsoft == nil || a.Microsoft.Code == 0) {
		fmt.Fprintf(&b, ", Q.850 cause %d (%s)", a.Cause, causes[a.Cause].says)
	}
	switch m := a.Microsoft; {
	case m != nil:
		b.WriteString(microsoftSaid(m))
	case words(a.Text) != "":
		fmt.Fprintf(&b, ", in its words %q", words(a.Text))
	}
	return b.String()
}

// code is a SIP code with its meaning.
func code(n int) string {
	if m, ok := codes[n]; ok {
		return fmt.Sprintf("%d (%s)", n, m.says)
	}
	return fmt.Sprint(n)
}

// microsoftSaid is what Teams said beside the code.
func microsoftSaid(m *status.MicrosoftText) (text string) {
	if m.Text != "" {
		text = fmt.Sprintf(", Teams says %q", m.Text)
	}
	if m.Code > 0 {
		text += fmt.Sprintf(", Microsoft's code %d", m.Code)
		if known := microsoft(m.Code).says; known != "" {
			text += " (" + known + ")"
		}
	}
	if m.ID != "" {
		text += ", id for Microsoft's support " + m.ID
	}
	return text
}

// words are those of a Reason or Warning header: what is between quotation marks.
func words(text string) string {
	_, rest, found := strings.Cut(text, `"`)
	if !found {
		if strings.Contains(text, "cause=") {
			return ""
		}
		return text
	}
	quoted, _, _ := strings.Cut(rest, `"`)
	return quoted
}
