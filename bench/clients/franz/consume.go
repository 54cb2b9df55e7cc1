package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fromStart are all partitions of the topic, from their first record.
func fromStart(topic string, partitions int) map[string]map[int32]kgo.Offset {
	wanted := map[int32]kgo.Offset{}
	for n := range partitions {
		wanted[int32(n)] = kgo.NewOffset().AtStart()
	}
	return map[string]map[int32]kgo.Offset{topic: wanted}
}

// consume reads all records with each of K consumers, which are connected before the clock starts.
func consume(ctx context.Context, o *options) (result, error) {
	clients := make([]*kgo.Client, o.consumers)
	for n := range clients {
		client, err := connected(ctx, o)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		clients[n] = client
	}
	partitions, err := partitionsOf(ctx, clients[0], o.topic)
	if err != nil {
		return nil, err
	}
	failures := make([]error, o.consumers)
	sums := make([]int, o.consumers)
	var all sync.WaitGroup
	watch := start(o)
	for n, client := range clients {
		client.AddConsumePartitions(fromStart(o.topic, partitions))
		all.Go(func() { sums[n], failures[n] = readAll(ctx, client, o.records) })
	}
	all.Wait()
	said := watch.stop(result{"records": o.records * o.consumers})
	total := 0
	for _, sum := range sums {
		total += sum
	}
	said["bytes"] = total
	return said, errors.Join(failures...)
}

// readAll ends when the client has `wanted` records; gives the bytes of their values.
func readAll(ctx context.Context, client *kgo.Client, wanted int) (int, error) {
	records, bytes := 0, 0
	for records < wanted {
		waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
		fetches := client.PollFetches(waiting)
		cancel()
		if err := fetches.Err(); err != nil {
			return bytes, fmt.Errorf("after %d of %d records: %w", records, wanted, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			records++
			bytes += len(record.Value)
		})
	}
	if records > wanted {
		return bytes, fmt.Errorf("%d records came where %d were wanted", records, wanted)
	}
	return bytes, nil
}

// group counts from nothing to the first record in every member's hands. Nothing is committed: a partition
// that changes its owner is read from its start again, so each member finds records.
func group(ctx context.Context, o *options) (result, error) {
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	opts := append(seeds(o),
		kgo.ConsumerGroup(name),
		kgo.ConsumeTopics(o.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if o.heartbeatMs > 0 {
		opts = append(opts, kgo.HeartbeatInterval(time.Duration(o.heartbeatMs)*time.Millisecond))
	}
	failures := make([]error, o.members)
	clients := make([]*kgo.Client, o.members)
	var all sync.WaitGroup
	watch := start(o)
	for n := range o.members {
		all.Go(func() {
			client, err := kgo.NewClient(opts...)
			if err != nil {
				failures[n] = err
				return
			}
			clients[n] = client
			for {
				fetches := client.PollFetches(ctx)
				if failures[n] = fetches.Err(); failures[n] != nil || fetches.NumRecords() > 0 {
					return
				}
			}
		})
	}
	all.Wait()
	milliseconds := time.Since(watch.began).Seconds() * 1e3
	said := watch.stop(result{"milliseconds": milliseconds, "seconds": milliseconds / 1e3})
	for _, client := range clients {
		if client != nil {
			all.Go(client.Close)
		}
	}
	all.Wait()
	return said, errors.Join(failures...)
}
