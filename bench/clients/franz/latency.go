package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// percentile of sorted nanoseconds, in milliseconds: exact, no buckets.
func percentile(sorted []int64, share float64) float64 {
	return float64(sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]) / 1e6
}

// hold opens connections that ask ApiVersions once and then say nothing.
func hold(address string, count int) (func(), error) {
	var held []net.Conn
	release := func() {
		for _, connection := range held {
			_ = connection.Close()
		}
	}
	// Size, ApiVersions v0, correlation id 1, no client id.
	question := []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}
	for range count {
		connection, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, connection)
		_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := connection.Write(question); err != nil {
			release()
			return nil, err
		}
		size := make([]byte, 4)
		if _, err := io.ReadFull(connection, size); err != nil {
			release()
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, connection, int64(binary.BigEndian.Uint32(size))); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// roundtrips: each connection is a client of its own that waits for the answer before its next record.
// Only requests whose answer came within the counted time are counted.
func roundtrips(ctx context.Context, o *options) (result, error) {
	if o.lingerMs < 0 {
		o.lingerMs = 0
	}
	opts, err := producing(o)
	if err != nil {
		return nil, err
	}
	release, err := hold(o.bootstrap, o.idle)
	if err != nil {
		return nil, fmt.Errorf("idle connections: %w", err)
	}
	defer release()
	clients := make([]*kgo.Client, o.connections)
	for n := range clients {
		if clients[n], err = connected(ctx, o, opts...); err != nil {
			return nil, err
		}
		defer clients[n].Close()
	}
	partitions, err := partitionsOf(ctx, clients[0], o.topic)
	if err != nil {
		return nil, err
	}
	values := payloads(o.size)
	times := make([][]int64, o.connections)
	failures := make([]error, o.connections)
	room := int(o.seconds*20_000)/o.connections + 1000
	for n := range times {
		times[n] = make([]int64, 0, room)
	}
	var all sync.WaitGroup
	began := time.Now()
	from := began.Add(seconds(o.warm))
	until := from.Add(seconds(o.seconds))
	for n, client := range clients {
		all.Go(func() {
			for round := n; ; round++ {
				record := &kgo.Record{
					Topic: o.topic, Partition: int32(n % partitions), Value: values[round%len(values)],
				}
				sent := time.Now()
				if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
					failures[n] = err
					return
				}
				now := time.Now()
				if now.After(until) {
					return
				}
				if sent.After(from) {
					times[n] = append(times[n], now.Sub(sent).Nanoseconds())
				}
			}
		})
	}
	time.Sleep(time.Until(from))
	watch := start(o)
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	sorted := slices.Concat(times...)
	if len(sorted) == 0 {
		return nil, errors.New("no request was answered in the counted time")
	}
	slices.Sort(sorted)
	return watch.stop(result{
		"requests": len(sorted), "seconds": o.seconds,
		"p50_ms": percentile(sorted, 0.5), "p99_ms": percentile(sorted, 0.99),
	}), nil
}

// endToEnd produces evenly and consumes in the same process. A record holds its number, and the clock of a
// number is read right before its produce call.
func endToEnd(ctx context.Context, o *options) (result, error) {
	if o.lingerMs < 0 {
		o.lingerMs = 0
	}
	o.size = max(o.size, 8)
	opts, err := producing(o)
	if err != nil {
		return nil, err
	}
	producer, err := connected(ctx, o, opts...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, err := connected(ctx, o)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partitions, err := partitionsOf(ctx, producer, o.topic)
	if err != nil {
		return nil, err
	}
	consumer.AddConsumePartitions(fromStart(o.topic, partitions))
	warming := int(float64(o.rate) * o.warm)
	total := warming + int(float64(o.rate)*o.seconds)
	sent := make([]atomic.Int64, total)
	arrived := make([]int64, 0, total)
	values := payloads(o.size)
	began := time.Now()
	var reading error
	var all sync.WaitGroup
	all.Go(func() {
		for seen := 0; seen < total; {
			waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
			fetches := consumer.PollFetches(waiting)
			now := time.Since(began).Nanoseconds()
			cancel()
			if reading = fetches.Err(); reading != nil {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) {
				if len(record.Value) != o.size {
					reading = errors.New("the topic is not fresh: a record has another size")
					return
				}
				number := binary.BigEndian.Uint64(record.Value)
				if number >= uint64(total) {
					reading = errors.New("the topic is not fresh: a record has no number of this run")
					return
				}
				seen++
				if number >= uint64(warming) {
					arrived = append(arrived, now-sent[number].Load())
				}
			})
			if reading != nil {
				return
			}
		}
	})
	watch := start(o)
	var failure atomic.Pointer[error]
	for number := range total {
		due := time.Duration(number) * time.Second / time.Duration(o.rate)
		time.Sleep(due - time.Since(began))
		value := slices.Clone(values[number%len(values)])
		binary.BigEndian.PutUint64(value, uint64(number))
		record := &kgo.Record{Topic: o.topic, Partition: int32(number % partitions), Value: value}
		sent[number].Store(time.Since(began).Nanoseconds())
		producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failure.CompareAndSwap(nil, &err)
			}
		})
	}
	flushed := producer.Flush(ctx)
	all.Wait()
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	if err := errors.Join(flushed, reading); err != nil {
		return nil, err
	}
	if len(arrived) != total-warming || len(arrived) == 0 {
		return nil, fmt.Errorf("%d of %d records arrived", len(arrived), total-warming)
	}
	slices.Sort(arrived)
	return watch.stop(result{
		"records": len(arrived), "p50_ms": percentile(arrived, 0.5), "p99_ms": percentile(arrived, 0.99),
	}), nil
}
