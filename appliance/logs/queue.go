package logs

import "sync"

// queueMax is how much waits for a server, in octets: some thousand messages, an hour of a box that has something to say.
const queueMax = 1 << 20

// queue holds the messages that wait for a server. When it is full, new ones are lost until it is empty: the first ones say how a failure
// began, and the server learns how many are missing, and where.
type queue struct {
	mu   sync.Mutex
	list [][]byte
	size int
	lost int
	some chan struct{} // one token: something may wait
}

func newQueue() *queue { return &queue{some: make(chan struct{}, 1)} }

func (q *queue) push(text []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 || q.size+len(text) > queueMax {
		q.lost++
		return
	}
	q.list = append(q.list, text)
	q.size += len(text)
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// first returns the oldest message, which stays; nil: none waits.
func (q *queue) first() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return nil
	}
	return q.list[0]
}

// sent removes the oldest message. When it was the last one, sent returns how many were lost after it.
func (q *queue) sent() (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= len(q.list[0])
	q.list[0] = nil
	if q.list = q.list[1:]; len(q.list) > 0 {
		return 0
	}
	lost, q.lost = q.lost, 0
	return lost
}
