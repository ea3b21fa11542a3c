package names

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// payloadSize is the largest answer over UDP that we announce (RFC 6891): it fits into the MTU of every path; larger ones come by TCP.
const payloadSize = 1232

// maxChain is how many CNAMEs are followed. pstnhub.microsoft.com has three.
const maxChain = 10

// errNotOurs is a message that does not answer our question: it is dropped without a word and the wait goes on, so that
// a blind forger gains nothing.
var errNotOurs = errors.New("not an answer to this question")

// serverError is a server's refusal to answer; another server may know.
type serverError struct{ code dnsmessage.RCode }

func (e *serverError) Error() string {
	return "it says " + strings.TrimPrefix(e.code.String(), "RCode")
}

// reply is the content of one message.
type reply struct {
	answer
	truncated bool   // ask again over TCP
	alias     string // the chain of CNAMEs ends here without the wanted record: ask for this name
	canonical string // the name at which the chain of CNAMEs ends
}

// query builds the message that asks q; with edns it announces payloadSize.
func query(id uint16, q question, edns bool) ([]byte, error) {
	name, err := dnsmessage.NewName(q.name + ".")
	if err != nil || !validName(q.name) {
		return nil, fmt.Errorf("%w: %q is not a host name", ErrNotFound, q.name)
	}
	b := dnsmessage.NewBuilder(make([]byte, 0, 128), dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := errors.Join(b.StartQuestions(),
		b.Question(dnsmessage.Question{Name: name, Type: q.typ, Class: dnsmessage.ClassINET})); err != nil {
		return nil, err
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := errors.Join(h.SetEDNS0(payloadSize, dnsmessage.RCodeSuccess, false),
			b.StartAdditionals(), b.OPTResource(h, dnsmessage.OPTResource{})); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// validName reports whether every label has 1 to 63 octets and the whole at most 253 (RFC 1035 section 2.3.4).
func validName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
	}
	return len(name) <= 253
}

// parse reads a message as the answer to q. errNotOurs: it is none. ErrNotFound: the name or the type does not exist, with
// the TTL of that. *serverError: the server does not know. Any other error: the message is broken.
func parse(msg []byte, id uint16, q question) (reply, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response {
		return reply{}, errNotOurs
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || canonical(asked[0].Name.String()) != q.name ||
		asked[0].Type != q.typ || asked[0].Class != dnsmessage.ClassINET {
		return reply{}, errNotOurs
	}
	switch {
	case h.Truncated:
		return reply{truncated: true}, nil
	case h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError:
		return reply{}, &serverError{h.RCode}
	}
	records, err := p.AllAnswers()
	if err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	r := collect(records, q)
	switch {
	case r.records() > 0:
		return r, nil
	case h.RCode == dnsmessage.RCodeNameError:
		r.alias = ""
		r.ttl = negativeTTL(&p)
		return r, ErrNotFound
	case r.alias != "":
		return r, nil
	}
	r.ttl = negativeTTL(&p)
	return r, ErrNotFound
}

// collect follows the CNAMEs from the question's name to the records of its type. Records may stand in any order; those of
// other names are not believed.
func collect(records []dnsmessage.Resource, q question) reply {
	r := reply{answer: answer{ttl: maxTTL}}
	name := q.name
	for range maxChain {
		next := ""
		for _, rec := range records {
			if rec.Header.Class != dnsmessage.ClassINET || canonical(rec.Header.Name.String()) != name {
				continue
			}
			switch body := rec.Body.(type) {
			case *dnsmessage.AResource:
				if q.typ == dnsmessage.TypeA {
					r.addrs = append(r.addrs, netip.AddrFrom4(body.A))
				}
			case *dnsmessage.SRVResource:
				// A target of "." says that the service is not offered here (RFC 2782).
				if target := canonical(body.Target.String()); q.typ == dnsmessage.TypeSRV && target != "" {
					r.srvs = append(r.srvs, net.SRV{Target: target, Port: body.Port, Priority: body.Priority, Weight: body.Weight})
				}
			case *dnsmessage.TXTResource:
				if q.typ == dnsmessage.TypeTXT {
					r.texts = append(r.texts, strings.Join(body.TXT, ""))
				}
			case *dnsmessage.UnknownResource:
				if a, ok := authorization(body.Data); ok && q.typ == typeCAA && body.Type == typeCAA {
					r.caas = append(r.caas, a)
				}
			case *dnsmessage.CNAMEResource:
				next = canonical(body.CNAME.String())
			default:
				continue
			}
			r.ttl = min(r.ttl, time.Duration(rec.Header.TTL)*time.Second)
		}
		if r.records() > 0 || next == "" {
			break
		}
		name = next
	}
	r.canonical = name
	if r.records() == 0 && name != q.name {
		r.alias = name
	}
	return r
}

// negativeTTL is how long the absence may be believed: the lesser of the SOA's TTL and its minimum (RFC 2308 section 5).
// The parser stands behind the answers.
func negativeTTL(p *dnsmessage.Parser) time.Duration {
	for {
		h, err := p.AuthorityHeader()
		if err != nil {
			return minTTL
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return minTTL
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return minTTL
		}
		return time.Duration(min(h.TTL, soa.MinTTL)) * time.Second
	}
}
