package route

// causes gives the Q.850 cause of a final SIP response (RFC 3398 section 7.2.4.1, and 8.2.6.1 where it names both directions). 488
// and 606 have no fixed cause there; 65 (bearer capability not implemented) comes back as 488.
var causes = map[int]int{
	400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127, 415: 79, 416: 127,
	420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 488: 65,
	500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 580: 47,
	600: 17, 603: 21, 604: 1, 606: 65,
}

// CauseFromSIP returns the Q.850 cause of a final SIP response, 0 for one that is no failure.
func CauseFromSIP(code int) int {
	if cause, ok := causes[code]; ok {
		return cause
	}
	switch {
	case code < 300:
		return 0
	case code < 400:
		return 23 // redirection to new destination
	case code >= 500 && code < 600:
		return 41
	case code >= 600:
		return 21
	}
	return 127
}

// responses gives the SIP response for a Q.850 cause (RFC 3398 section 8.2.6.1). 25, 43, 44 and 63 are not in its table: 25 is what
// 483 becomes the other way, the others are of the class "resource unavailable", whose members give 503.
var responses = map[int]int{
	1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 25: 483, 26: 404, 27: 502, 28: 484, 29: 501,
	31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 43: 503, 44: 503, 47: 503, 55: 403, 57: 403, 58: 503, 63: 503, 65: 488, 70: 488,
	79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}

// SIPFromCause returns the SIP response for a Q.850 cause.
func SIPFromCause(cause int) int {
	if code, ok := responses[cause]; ok {
		return code
	}
	return 500
}
