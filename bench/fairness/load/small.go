package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// small runs clients that each send some requests a second, a one-record produce and a heartbeat or
// ApiVersions in turn, on a connection of their own, one in flight. A request that could not be sent in time
// because the one before was not answered counts from when it was due; being woken late ourselves does not count.
//
// Beside them one more client asks an echo in another process: what it waits is the machine's, not the broker's.
func small(o *options) (any, error) {
	setup, err := dial(o.bootstrap)
	if err != nil {
		return nil, err
	}
	defer setup.Close()
	if err := createTopics(setup, []string{o.topic}, o.clients); err != nil {
		return nil, err
	}
	if err := fill(setup, o.topic, o.clients, 100); err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	produce, light, control := newTimes(), newTimes(), newTimes()
	failures := make(chan error, o.clients+1)
	begin := make(chan time.Time)
	joined := make(chan struct{}, o.clients)
	for i := range o.clients {
		all.Add(1)
		go func() {
			defer all.Done()
			failures <- smallClient(o, i, joined, begin, produce, light)
		}()
	}
	for range o.clients {
		select {
		case <-joined:
		case err := <-failures:
			return nil, err
		}
	}
	if o.control != "" {
		all.Add(1)
		go func() {
			defer all.Done()
			failures <- controlClient(o, begin, control)
		}()
	}
	close(begin)
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return nil, err
		}
	}
	both := newTimes()
	both.taken = append(append(both.taken, produce.taken...), light.taken...)
	return map[string]any{
		"requests":       len(both.taken),
		"p50_ms":         both.at(0.5).Seconds() * 1e3,
		"p99_ms":         both.at(0.99).Seconds() * 1e3,
		"max_ms":         both.at(1).Seconds() * 1e3,
		"produce_p99_ms": produce.at(0.99).Seconds() * 1e3,
		"light_p99_ms":   light.at(0.99).Seconds() * 1e3,
		"control_p99_ms": control.at(0.99).Seconds() * 1e3,
	}, nil
}

func smallClient(o *options, index int, joined chan<- struct{}, begin <-chan time.Time, produce, light *times) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	defer c.Close()
	// A group of this run: one with members of an earlier run would wait until their sessions are over.
	itself, err := joinGroup(c, fmt.Sprintf("small-%d-%d", os.Getpid(), index))
	if err != nil {
		return err
	}
	record := produceTo(o.topic, []int32{int32(index)}, batch(100))
	requests := []kmsg.Request{record, itself.heartbeat(), record, apiVersions()}
	joined <- struct{}{}
	<-begin
	interval := time.Duration(float64(time.Second) / o.rate)
	due := time.Now().Add(time.Duration(rand.Int64N(int64(interval))))
	end := time.Now().Add(o.duration())
	for turn := 0; due.Before(end); turn++ {
		late := time.Now().After(due)
		time.Sleep(time.Until(due))
		began := time.Now()
		if late {
			began = due
		}
		request := requests[turn%len(requests)]
		if request == kmsg.Request(record) {
			_, err = produced(c, record)
			produce.add(time.Since(began))
		} else {
			err = ask(c, request)
			light.add(time.Since(began))
		}
		if err != nil {
			return err
		}
		due = due.Add(interval)
	}
	return nil
}

func controlClient(o *options, begin <-chan time.Time, control *times) error {
	c, err := dial(o.control)
	if err != nil {
		return err
	}
	defer c.Close()
	message := []byte{0}
	<-begin
	for end := time.Now().Add(o.duration()); time.Now().Before(end); time.Sleep(time.Duration(5+rand.IntN(5)) * time.Millisecond) {
		began := time.Now()
		if _, err := c.Write(message); err != nil {
			return err
		}
		if _, err := c.Read(message); err != nil {
			return err
		}
		control.add(time.Since(began))
	}
	return nil
}
