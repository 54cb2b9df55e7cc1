package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// createTopics makes topics in one request; the clock stops when Metadata shows a leader for each partition.
func createTopics(ctx context.Context, o *options) (result, error) {
	client, err := connected(ctx, o)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	names := strings.Split(o.names, ",")
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 60_000
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(o.partitions), 1
		request.Topics = append(request.Topics, topic)
	}
	watch := start(o)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, topic := range answer.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return nil, fmt.Errorf("%s: %w", topic.Topic, err)
		}
	}
	for {
		ready, err := countReady(ctx, client, names, o.partitions)
		if err != nil {
			return nil, err
		}
		if ready == len(names) {
			return watch.stop(result{"topics": ready}), nil
		}
		time.Sleep(time.Millisecond)
	}
}

// deleteTopics ends when Metadata doesn't know them any more.
func deleteTopics(ctx context.Context, o *options) (result, error) {
	client, err := connected(ctx, o)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	names := strings.Split(o.names, ",")
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 60_000
	request.TopicNames = names
	for _, name := range names {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	watch := start(o)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, topic := range answer.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return nil, fmt.Errorf("delete: %w", err)
		}
	}
	for {
		shown, err := metadata(ctx, client, names)
		if err != nil {
			return nil, err
		}
		left := 0
		for _, topic := range shown.Topics {
			if !errors.Is(kerr.ErrorForCode(topic.ErrorCode), kerr.UnknownTopicOrPartition) {
				left++
			}
		}
		if left == 0 {
			return watch.stop(result{"topics": len(names)}), nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func metadata(ctx context.Context, client *kgo.Client, names []string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	return request.RequestWith(ctx, client)
}

func countReady(ctx context.Context, client *kgo.Client, names []string, partitions int) (int, error) {
	shown, err := metadata(ctx, client, names)
	if err != nil {
		return 0, err
	}
	ready := 0
	for _, topic := range shown.Topics {
		led := 0
		for _, partition := range topic.Partitions {
			if partition.ErrorCode == 0 && partition.Leader >= 0 {
				led++
			}
		}
		if topic.ErrorCode == 0 && led == partitions {
			ready++
		}
	}
	return ready, nil
}

// partitionsOf says how many partitions a topic has, once the leader of each answers for it: a Kafka shows a
// leader in Metadata a moment before that, and franz-go's pause after an error would be measured instead.
func partitionsOf(ctx context.Context, client *kgo.Client, topic string) (int, error) {
	shown, err := metadata(ctx, client, []string{topic})
	if err != nil {
		return 0, err
	}
	if len(shown.Topics) != 1 {
		return 0, fmt.Errorf("metadata shows %d topics for one", len(shown.Topics))
	}
	if err := kerr.ErrorForCode(shown.Topics[0].ErrorCode); err != nil {
		return 0, fmt.Errorf("%s: %w", topic, err)
	}
	count := len(shown.Topics[0].Partitions)
	for {
		leading, err := countLeading(ctx, client, topic, count)
		if err != nil {
			return 0, err
		}
		if leading == count {
			return count, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// countLeading asks every leader for the end of its partition; says how many gave one.
func countLeading(ctx context.Context, client *kgo.Client, topic string, count int) (int, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic = topic
	for n := range count {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = int32(n), -1, -1
		wanted.Partitions = append(wanted.Partitions, partition)
	}
	request.Topics = append(request.Topics, wanted)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return 0, err
	}
	leading := 0
	for _, shown := range answer.Topics {
		for _, partition := range shown.Partitions {
			if partition.ErrorCode == 0 {
				leading++
			}
		}
	}
	return leading, nil
}
