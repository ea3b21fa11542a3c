package steward

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
)

const (
	// again is how long the hub knows the id of a message: what a box sends again within that time is taken once.
	again = 2 * time.Minute

	// An alarm is kept for a year and a record for 90 days. A box that sends without end loses its own oldest ones first, and all boxes of a customer
	// together have a bound in octets, so that no customer fills the disk of the others.
	alarmAge, callAge, statusAge = 366 * 24 * time.Hour, 90 * 24 * time.Hour, 366 * 24 * time.Hour
	alarmsOfBox, callsOfBox      = 10_000, 100_000
	maxSmall                     = 64 << 10  // octets of an alarm, or of a status
	maxPool                      = 512 << 10 // octets of the value of a pool
)

// streams are those of a customer, as they are to be. Store is how many octets they may have together on each node.
func streams(replicas int, store int64) []jetstream.StreamConfig {
	kept := func(name, what string, age time.Duration, perBox int64, all int64, message int32) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Subjects: []string{"box.*." + what}, Storage: jetstream.FileStorage, Replicas: replicas, Retention: jetstream.LimitsPolicy,
			Discard: jetstream.DiscardOld, MaxAge: age, MaxMsgs: -1, MaxMsgsPerSubject: perBox, MaxBytes: all, MaxMsgSize: message, MaxConsumers: 1000,
			Duplicates: again, Compression: jetstream.S2Compression, AllowDirect: true, DenyDelete: true,
		}
	}
	status := kept(fleet.StatusStream, "status", statusAge, 1, store/8, maxSmall)
	status.Compression = jetstream.NoCompression // of what is rewritten all the time
	return []jetstream.StreamConfig{
		kept(fleet.AlarmStream, "alarms", alarmAge, alarmsOfBox, store/8, maxSmall),
		kept(fleet.CallStream, "calls", callAge, callsOfBox, store-store/8-store/8-store/16, fleet.MaxMessage),
		status,
		// The bucket is a stream of our own making, as a bucket made by the library is read from any replica: one that lags behind would have every
		// compare-and-set fail until it has caught up.
		{
			Name: bucketStream, Subjects: []string{"$KV." + fleet.LeaseBucket + ".>"}, Storage: jetstream.FileStorage, Replicas: replicas,
			Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxMsgsPerSubject: 1, MaxBytes: store / 16, MaxMsgSize: maxPool, MaxConsumers: 1000,
			Duplicates: again, AllowRollup: true, DenyDelete: true, AllowDirect: false,
		},
	}
}

// bucketStream is what JetStream calls the stream of the bucket.
const bucketStream = "KV_" + fleet.LeaseBucket

// Streams makes what is missing of a customer's streams and its bucket, and changes what is otherwise than it is to be. What is in them stays.
func Streams(ctx context.Context, js jetstream.JetStream, replicas int, store int64) error {
	for _, c := range streams(replicas, store) {
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	return nil
}
