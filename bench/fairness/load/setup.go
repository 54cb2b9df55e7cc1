package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	coordinatorLoading      = 14
	coordinatorNotAvailable = 15
	notCoordinator          = 16
	topicExists             = 36
)

// createTopics makes topics, some hundred a request, and returns when all their partitions have leaders.
func createTopics(c *conn, names []string, partitions int) error {
	for chunk := range slices.Chunk(names, 200) {
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Version = 5
		request.TimeoutMillis = 60_000
		for _, name := range chunk {
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic = name
			topic.NumPartitions = int32(partitions)
			topic.ReplicationFactor = 1
			request.Topics = append(request.Topics, topic)
		}
		response, err := c.call(request)
		if err != nil {
			return err
		}
		for _, topic := range response.(*kmsg.CreateTopicsResponse).Topics {
			if topic.ErrorCode != 0 && topic.ErrorCode != topicExists {
				return fmt.Errorf("creating %s: error %d", topic.Topic, topic.ErrorCode)
			}
		}
		if err := awaitLeaders(c, chunk, partitions); err != nil {
			return err
		}
	}
	return nil
}

func awaitLeaders(c *conn, names []string, partitions int) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := c.call(metadataOf(names...))
		if err != nil {
			return err
		}
		ready := 0
		for _, topic := range response.(*kmsg.MetadataResponse).Topics {
			led := 0
			for _, partition := range topic.Partitions {
				if partition.ErrorCode == 0 && partition.Leader >= 0 {
					led++
				}
			}
			if led >= partitions {
				ready++
			}
		}
		if ready == len(names) {
			return nil
		}
	}
	return fmt.Errorf("no leaders after a minute for some of %d topics", len(names))
}

// fill appends a batch to each partition, some hundred a request, so that none of them is at its first.
func fill(c *conn, topic string, partitions int, size int) error {
	records := batch(size)
	for chunk := range slices.Chunk(upTo(partitions), 200) {
		for attempt := 0; ; attempt++ {
			_, err := produced(c, produceTo(topic, chunk, records))
			if err == nil {
				break
			}
			if attempt == 600 {
				return err
			}
			time.Sleep(50 * time.Millisecond) // a leader that its broker does not know yet
		}
	}
	return nil
}

// member is one consumer that is its group's only one.
type member struct {
	group      string
	id         string
	generation int32
}

func joinGroup(c *conn, group string) (*member, error) {
	if err := awaitCoordinator(c, group); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version = 3
		join.Group = group
		join.SessionTimeoutMillis = 60_000
		join.RebalanceTimeoutMillis = 60_000
		join.ProtocolType = "consumer"
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name = "range"
		join.Protocols = append(join.Protocols, protocol)
		response, err := c.call(join)
		if err != nil {
			return nil, err
		}
		joined := response.(*kmsg.JoinGroupResponse)
		if isPassing(joined.ErrorCode) && time.Now().Before(deadline) {
			continue
		}
		if joined.ErrorCode != 0 {
			return nil, fmt.Errorf("joining %s: error %d", group, joined.ErrorCode)
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version = 2
		sync.Group = group
		sync.Generation = joined.Generation
		sync.MemberID = joined.MemberID
		assignment := kmsg.NewSyncGroupRequestGroupAssignment()
		assignment.MemberID = joined.MemberID
		sync.GroupAssignment = append(sync.GroupAssignment, assignment)
		response, err = c.call(sync)
		if err != nil {
			return nil, err
		}
		if code := response.(*kmsg.SyncGroupResponse).ErrorCode; code != 0 {
			return nil, fmt.Errorf("syncing %s: error %d", group, code)
		}
		return &member{group, joined.MemberID, joined.Generation}, nil
	}
}

func isPassing(code int16) bool {
	return code == coordinatorLoading || code == coordinatorNotAvailable || code == notCoordinator
}

func awaitCoordinator(c *conn, group string) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version = 2
		find.CoordinatorKey = group
		response, err := c.call(find)
		if err != nil {
			return err
		}
		code := response.(*kmsg.FindCoordinatorResponse).ErrorCode
		if code == 0 {
			return nil
		}
		if !isPassing(code) || time.Now().After(deadline) {
			return fmt.Errorf("finding the coordinator of %s: error %d", group, code)
		}
	}
}

func (m *member) heartbeat() *kmsg.HeartbeatRequest {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Version = 3
	request.Group = m.group
	request.Generation = m.generation
	request.MemberID = m.id
	return request
}

func (m *member) commit(topic string, partitions []int32, offset int64) *kmsg.OffsetCommitRequest {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Version = 7
	request.Group = m.group
	request.Generation = m.generation
	request.MemberID = m.id
	asked := kmsg.NewOffsetCommitRequestTopic()
	asked.Topic = topic
	for _, index := range partitions {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition = index
		partition.Offset = offset
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	return request
}

// ask makes a call and fails on what the broker refuses.
func ask(c *conn, request kmsg.Request) error {
	response, err := c.call(request)
	if err != nil {
		return err
	}
	switch answer := response.(type) {
	case *kmsg.HeartbeatResponse:
		if answer.ErrorCode != 0 {
			return fmt.Errorf("heartbeat: error %d", answer.ErrorCode)
		}
	case *kmsg.ApiVersionsResponse:
		if answer.ErrorCode != 0 {
			return fmt.Errorf("api versions: error %d", answer.ErrorCode)
		}
	case *kmsg.OffsetCommitResponse:
		for _, topic := range answer.Topics {
			for _, partition := range topic.Partitions {
				if partition.ErrorCode != 0 {
					return fmt.Errorf("commit: error %d", partition.ErrorCode)
				}
			}
		}
	}
	return nil
}
