package hubcli

import (
	"errors"
	"strconv"
	"strings"

	"viaduct/appliance/fleet/hub"
)

// size is a flag such as 16GB.
type size int64

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return hub.Size(int64(*s))
}

func (s *size) Set(text string) error {
	number := strings.TrimRight(strings.ToUpper(text), "KMGTB ")
	n, err := strconv.ParseInt(number, 10, 32)
	shift, known := map[string]int{"MB": 20, "GB": 30, "TB": 40}[strings.TrimSpace(strings.ToUpper(text[len(number):]))]
	if err != nil || n < 1 || !known {
		return errors.New("a size is a number with MB, GB or TB")
	}
	if *s = size(n << shift); int64(*s)>>shift != n || *s > 1<<50 {
		return errors.New("that is more than there is")
	}
	return nil
}

// limit is a flag such as 2..10: what is kept for a box, and what it may have at most.
type limit struct {
	hub.Limit
	given bool
}

// unlimited is the count that a statement of a lease can say at most.
const unlimited = 65535

func (l *limit) String() string { return "" }

func (l *limit) Set(text string) error {
	least, most, ranged := strings.Cut(text, "..")
	read := func(text string, otherwise int) int {
		if text == "" && ranged {
			return otherwise
		}
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return int(n)
		}
		return -1
	}
	l.Min, l.Max, l.given = read(least, 0), read(most, unlimited), true
	if !ranged {
		l.Max = l.Min
	}
	if l.Min < 0 || l.Max < l.Min {
		return errors.New("it is written MIN..MAX, MIN.. or ..MAX, with numbers up to 65535")
	}
	return nil
}

// limitText is what a box may have of a pool. Without an entry it may have all of it.
func limitText(l hub.Limit, given bool) string {
	most := strconv.Itoa(l.Max)
	if !given || l.Max == unlimited {
		most = ""
	}
	return strconv.Itoa(l.Min) + ".." + most
}
