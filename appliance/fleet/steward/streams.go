package steward

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/license"
)

const (
	// again is how long the hub knows the id of a message: what a box sends again within that time is taken once.
	again = 2 * time.Minute

	// An alarm is kept for a year and a record for 90 days. A box that sends without end loses its own oldest ones first, and all boxes of a customer
	// together have a bound in octets, so that no customer fills the disk of the others.
	alarmAge, callAge, statusAge = 366 * 24 * time.Hour, 90 * 24 * time.Hour, 366 * 24 * time.Hour
	alarmsOfBox, callsOfBox      = 10_000, 100_000
	maxCall                      = 64 << 10 // octets

	bucketBytes = 48 << 20  // of all pools
	maxPool     = 200 << 10 // octets of the value of one
)

// streams are those of a customer, as they are to be. Store is how many octets they have together on each node.
func streams(replicas int, store int64) []jetstream.StreamConfig {
	kept := func(name, subject string, age time.Duration, perBox int64, all int64, message int32) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage, Replicas: replicas, Retention: jetstream.LimitsPolicy,
			Discard: jetstream.DiscardOld, MaxAge: age, MaxMsgs: -1, MaxMsgsPerSubject: perBox, MaxBytes: all, MaxMsgSize: message, MaxConsumers: 1000,
			Duplicates: again, Compression: jetstream.S2Compression, DenyDelete: true,
		}
	}
	status := kept(fleet.StatusStream, fleet.StatusOf("*"), statusAge, 1, store/16, fleet.MaxStatus)
	status.Compression = jetstream.NoCompression // of what is rewritten all the time
	status.NoAck = true                          // nobody waits for one, and an answer goes wherever who asks wants it
	return []jetstream.StreamConfig{
		kept(fleet.AlarmStream, fleet.KeptAlarmsOf("*"), alarmAge, alarmsOfBox, store/8, fleet.MaxAlarm),
		kept(fleet.CallStream, fleet.KeptCallsOf("*"), callAge, callsOfBox, store-store/8-store/16, fleet.MaxStatus),
		status,
	}
}

// Streams makes what is missing of a customer's streams, and changes what is otherwise than it is to be. What is in them stays.
func Streams(ctx context.Context, js jetstream.JetStream, replicas int, store int64) error {
	for _, c := range streams(replicas, store) {
		if err := makeStream(ctx, js, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// makeTime is for a cluster to make a stream. While it has no leader it does not answer, and forgets the question.
const makeTime = 2 * time.Second

func makeStream(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	_, err := js.CreateOrUpdateStream(ctx, c)
	return err
}

// bucketName is that of the bucket of all pools. It is in the hub's own account: in that of a customer, a box could have JetStream's answer to one of
// its messages go to the key of a pool, in the place of what is lent.
const bucketName = "leases"

// key is that of a pool.
func key(customer string, kind license.Kind) string { return customer + "." + string(kind) }

// Bucket opens the bucket of all pools, or makes it.
func Bucket(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	return hub.Bucket(ctx, js, jetstream.StreamConfig{
		Name: bucketName, Replicas: replicas, MaxBytes: bucketBytes, MaxMsgSize: maxPool, MaxConsumers: 100, Duplicates: again,
	})
}
