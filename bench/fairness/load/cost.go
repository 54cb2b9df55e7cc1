package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kinds make ready what a request is about, n of it, and give the request: a function that asks and waits for the
// answer, and what is to be done before each that is not measured (nil: nothing).
var kinds = map[string]func(*options, *conn) (func() error, error){
	"produce-to-n-partitions": produceToPartitions,
	"produce-one-of-n":        produceOneOf,
	"produce-batch":           produceBatch,
	"fetch-batch":             fetchBatch,
	"fetch-n-partitions":      fetchPartitions,
	"fetch-n-empty":           fetchEmpty,
	"fetch-session":           fetchSession,
	"fetch-session-wake":      fetchSessionWake,
	"waiting-consumers":       waitingConsumers,
	"metadata-n-partitions":   metadataPartitions,
	"metadata-all-topics":     metadataAllTopics,
	"metadata-one-topic":      metadataOneTopic,
	"idle-connections":        idleConnections,
	"active-connections":      activeConnections,
	"heartbeat-groups":        heartbeatGroups,
	"commit-groups":           commitGroups,
	"commit-n-partitions":     commitPartitions,
	"produce-one-of-topics":   produceOneOfTopics,
	"create-beside-n-topics":  createBeside,
}

func cost(o *options) (any, error) {
	prepare, known := kinds[o.kind]
	if !known {
		return nil, fmt.Errorf("no cost is called %q", o.kind)
	}
	c, err := dial(o.bootstrap)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	request, err := prepare(o, c)
	if err != nil {
		return nil, err
	}
	for began, i := time.Now(), 0; i < max(3, o.requests/5) && time.Since(began) < o.duration()/4; i++ {
		if err := request(); err != nil {
			return nil, err
		}
	}
	taken := newTimes()
	before, err := cpuTime(o.pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for i := 0; i < o.requests && (i < 3 || time.Since(began) < o.duration()); i++ {
		since := time.Now()
		if err := request(); err != nil {
			return nil, err
		}
		taken.add(time.Since(since))
	}
	after, err := cpuTime(o.pid)
	if err != nil {
		return nil, err
	}
	count := len(taken.taken)
	return map[string]any{
		"requests": count,
		"cpu_us":   float64((after - before).Microseconds()) / float64(count),
		"p50_us":   float64(taken.at(0.5).Nanoseconds()) / 1e3,
		"p99_us":   float64(taken.at(0.99).Nanoseconds()) / 1e3,
	}, nil
}

func topicOf(o *options, c *conn, partitions, size int) error {
	if err := createTopics(c, []string{o.topic}, partitions); err != nil {
		return err
	}
	return fill(c, o.topic, partitions, size)
}

func produceToPartitions(o *options, c *conn) (func() error, error) {
	request := produceTo(o.topic, upTo(o.n), batch(100))
	return func() error { _, err := produced(c, request); return err }, topicOf(o, c, o.n, 100)
}

func produceOneOf(o *options, c *conn) (func() error, error) {
	turn := 0
	records := batch(100)
	return func() error {
		turn += 7
		_, err := produced(c, produceTo(o.topic, []int32{int32(turn % o.n)}, records))
		return err
	}, topicOf(o, c, o.n, 100)
}

func produceBatch(o *options, c *conn) (func() error, error) {
	frame := formatter.AppendRequest(nil, produceTo(o.topic, []int32{0}, batch(o.n)), 1)
	request := produceTo(o.topic, nil, nil)
	return func() error {
		if _, err := c.Write(frame); err != nil {
			return err
		}
		response, err := c.receive(request)
		if err != nil {
			return err
		}
		if code := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
			return fmt.Errorf("produce: error %d", code)
		}
		return nil
	}, topicOf(o, c, 1, 100)
}

func fetchBatch(o *options, c *conn) (func() error, error) {
	if err := topicOf(o, c, 1, 100); err != nil {
		return nil, err
	}
	offset, err := produced(c, produceTo(o.topic, []int32{0}, batch(o.n)))
	request := fetchOf(o.topic, []int32{0}, offset, int32(o.n), 0)
	return func() error { return sized(c, request, o.n) }, err
}

// sized fails where an answer is smaller than the records that it should hold.
func sized(c *conn, request kmsg.Request, least int) error {
	if err := c.send(request); err != nil {
		return err
	}
	size, err := c.skip()
	if err == nil && size < least {
		err = fmt.Errorf("an answer of %d bytes, where at least %d were asked for", size, least)
	}
	return err
}

func fetchPartitions(o *options, c *conn) (func() error, error) {
	request := fetchOf(o.topic, upTo(o.n), 0, 1<<20, 0)
	return func() error { return sized(c, request, 160*o.n) }, topicOf(o, c, o.n, 100)
}

func fetchEmpty(o *options, c *conn) (func() error, error) {
	request := fetchOf(o.topic, upTo(o.n), 1, 1<<20, 0)
	return func() error { return sized(c, request, 30*o.n) }, topicOf(o, c, o.n, 100)
}

// session begins one with all partitions, at their ends, and gives what resumes it.
func session(o *options, c *conn, waitMs int32) (func() *kmsg.FetchRequest, error) {
	if err := topicOf(o, c, o.n, 100); err != nil {
		return nil, err
	}
	first := fetchOf(o.topic, upTo(o.n), 1, 1<<20, 0)
	first.SessionEpoch = 0
	response, err := c.call(first)
	if err != nil {
		return nil, err
	}
	id, epoch := response.(*kmsg.FetchResponse).SessionID, int32(0)
	if id == 0 {
		return nil, fmt.Errorf("the broker gave no session")
	}
	return func() *kmsg.FetchRequest {
		next := fetchOf(o.topic, nil, 0, 0, waitMs)
		epoch++
		next.SessionID, next.SessionEpoch = id, epoch
		return next
	}, nil
}

func fetchSession(o *options, c *conn) (func() error, error) {
	next, err := session(o, c, 0)
	return func() error { return ask(c, next()) }, err
}

// fetchSessionWake waits with all partitions until one of them has a record.
func fetchSessionWake(o *options, c *conn) (func() error, error) {
	next, err := session(o, c, 10_000)
	if err != nil {
		return nil, err
	}
	producer, err := dial(o.bootstrap)
	records := batch(100)
	var end int64 = 1
	return func() error {
		request := next()
		asked := kmsg.NewFetchRequestTopic()
		asked.Topic = o.topic
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.FetchOffset, partition.PartitionMaxBytes = end, 1<<20
		partition.CurrentLeaderEpoch, partition.LastFetchedEpoch = -1, -1
		asked.Partitions = append(asked.Partitions, partition)
		request.Topics = append(request.Topics, asked)
		if err := c.send(request); err != nil {
			return err
		}
		offset, err := produced(producer, produceTo(o.topic, []int32{0}, records))
		if err != nil {
			return err
		}
		end = offset + 1
		_, err = c.skip()
		return err
	}, err
}

// waitingConsumers has n connections wait for one partition; one record wakes them all.
func waitingConsumers(o *options, c *conn) (func() error, error) {
	if err := topicOf(o, c, 1, 100); err != nil {
		return nil, err
	}
	consumers, err := dialMany(o)
	records := batch(100)
	var end int64 = 1
	return func() error {
		request := fetchOf(o.topic, []int32{0}, end, 1<<20, 10_000)
		for _, consumer := range consumers {
			if err := consumer.send(request); err != nil {
				return err
			}
		}
		offset, err := produced(c, produceTo(o.topic, []int32{0}, records))
		if err != nil {
			return err
		}
		end = offset + 1
		for _, consumer := range consumers {
			if _, err := consumer.skip(); err != nil {
				return err
			}
		}
		return nil
	}, err
}

func metadataPartitions(o *options, c *conn) (func() error, error) {
	request := metadataOf(o.topic)
	return func() error { return sized(c, request, 20*o.n) }, createTopics(c, []string{o.topic}, o.n)
}

func topicNames(o *options) []string {
	names := make([]string, o.n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", o.topic, i)
	}
	return names
}

func metadataAllTopics(o *options, c *conn) (func() error, error) {
	request := metadataOf()
	return func() error { return sized(c, request, 20*o.n) }, createTopics(c, topicNames(o), 1)
}

func metadataOneTopic(o *options, c *conn) (func() error, error) {
	request := metadataOf(topicNames(o)[0])
	return func() error { return sized(c, request, 20) }, createTopics(c, topicNames(o), 1)
}

// dialMany opens n connections that have each asked for ApiVersions.
func dialMany(o *options) ([]*conn, error) {
	var opened []*conn
	for range o.n {
		c, err := dial(o.bootstrap)
		if err != nil {
			return nil, err
		}
		if err := ask(c, apiVersions()); err != nil {
			return nil, err
		}
		opened = append(opened, c)
	}
	return opened, nil
}

func idleConnections(o *options, c *conn) (func() error, error) {
	if err := topicOf(o, c, 1, 100); err != nil {
		return nil, err
	}
	idle, err := dialMany(o)
	request := produceTo(o.topic, []int32{0}, batch(100))
	return func() error {
		_, err := produced(c, request)
		_ = idle // they stay open
		return err
	}, err
}

// activeConnections has one request on each connection in turn.
func activeConnections(o *options, c *conn) (func() error, error) {
	if err := topicOf(o, c, 1, 100); err != nil {
		return nil, err
	}
	active, err := dialMany(o)
	request := produceTo(o.topic, []int32{0}, batch(100))
	turn := 0
	return func() error {
		turn++
		_, err := produced(active[turn%len(active)], request)
		return err
	}, err
}

func joinMany(o *options, c *conn) ([]*member, error) {
	if err := topicOf(o, c, 1, 100); err != nil {
		return nil, err
	}
	if err := awaitCoordinator(c, o.topic); err != nil {
		return nil, err
	}
	members := make([]*member, o.n)
	failures := make(chan error, o.n)
	room := make(chan struct{}, 32)
	var all sync.WaitGroup
	for i := range members {
		all.Add(1)
		room <- struct{}{}
		go func() {
			defer all.Done()
			defer func() { <-room }()
			own, err := dial(o.bootstrap)
			if err == nil {
				defer own.Close()
				members[i], err = joinGroup(own, fmt.Sprintf("%s-%d-%d", o.topic, os.Getpid(), i))
			}
			failures <- err
		}()
	}
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return members, nil
}

func heartbeatGroups(o *options, c *conn) (func() error, error) {
	members, err := joinMany(o, c)
	turn := 0
	return func() error { turn++; return ask(c, members[turn%len(members)].heartbeat()) }, err
}

func commitGroups(o *options, c *conn) (func() error, error) {
	members, err := joinMany(o, c)
	turn := 0
	return func() error {
		turn++
		return ask(c, members[turn%len(members)].commit(o.topic, []int32{0}, int64(turn)))
	}, err
}

func commitPartitions(o *options, c *conn) (func() error, error) {
	if err := createTopics(c, []string{o.topic}, o.n); err != nil {
		return nil, err
	}
	itself, err := joinGroup(c, fmt.Sprintf("%s-%d", o.topic, os.Getpid()))
	all := upTo(o.n)
	turn := int64(0)
	return func() error { turn++; return ask(c, itself.commit(o.topic, all, turn)) }, err
}

func produceOneOfTopics(o *options, c *conn) (func() error, error) {
	names := topicNames(o)
	if err := createTopics(c, names, 1); err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(names, 200) {
		for _, name := range chunk {
			if err := fill(c, name, 1, 100); err != nil {
				return nil, err
			}
		}
	}
	records := batch(100)
	turn := 0
	return func() error {
		turn += 7
		_, err := produced(c, produceTo(names[turn%len(names)], []int32{0}, records))
		return err
	}, nil
}

func createBeside(o *options, c *conn) (func() error, error) {
	made := 0
	return func() error {
		made++
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Version = 5
		request.TimeoutMillis = 60_000
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic = fmt.Sprintf("%s-beside-%d", o.topic, made)
		topic.NumPartitions, topic.ReplicationFactor = 1, 1
		request.Topics = append(request.Topics, topic)
		response, err := c.call(request)
		if err == nil {
			if code := response.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
				err = fmt.Errorf("create: error %d", code)
			}
		}
		return err
	}, createTopics(c, topicNames(o), 1)
}
