package starface

import (
	"slices"
	"strings"
)

// found is who somebody is at the STARFACE.
type found struct {
	id    int64
	state State // Unknown or Ambiguous; "": he was found
	why   string
}

// match finds everybody at the STARFACE: by address, else by login id. Two of them who are the same user there are ambiguous, so nobody ever has two
// who write for him.
func match(people []Person, users []User) map[string]found {
	byMail, byLogin := map[string][]int64{}, map[string][]int64{}
	for _, u := range users {
		if u.Mail != "" {
			mail := strings.ToLower(u.Mail)
			byMail[mail] = append(byMail[mail], u.ID)
		}
		if u.Login != "" {
			login := strings.ToLower(u.Login)
			byLogin[login] = append(byLogin[login], u.ID)
		}
	}
	result := make(map[string]found, len(people))
	of := map[int64][]string{}
	for _, p := range people {
		var ids []int64
		for _, mail := range p.Mails {
			if mail != "" {
				ids = append(ids, byMail[strings.ToLower(mail)]...)
			}
		}
		by := "address"
		if len(ids) == 0 {
			by = "login id"
			for _, login := range p.Logins {
				if login != "" {
					ids = append(ids, byLogin[strings.ToLower(login)]...)
				}
			}
		}
		slices.Sort(ids)
		switch ids = slices.Compact(ids); len(ids) {
		case 0:
			result[p.Name] = found{state: Unknown, why: "no user of the STARFACE has this address or login id"}
		case 1:
			result[p.Name] = found{id: ids[0]}
			of[ids[0]] = append(of[ids[0]], p.Name)
		default:
			result[p.Name] = found{state: Ambiguous, why: "several users of the STARFACE have this " + by}
		}
	}
	for _, names := range of {
		if len(names) > 1 {
			for _, name := range names {
				result[name] = found{state: Ambiguous, why: "several users of Teams are this user of the STARFACE"}
			}
		}
	}
	return result
}
