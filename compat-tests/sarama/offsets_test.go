package sarama_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// ok says whether sarama's way of saying "no error" is meant.
func ok(err error) bool { return err == nil || errors.Is(err, sarama.ErrNoError) }

func TestOffsetManagerKeepsOffsets(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 2)
		groupID := unique(t)
		config := configure(version)
		config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
		with := func(partition int32, do func(sarama.PartitionOffsetManager)) {
			t.Helper()
			client := newClientWith(t, theBroker, config)
			manager, err := sarama.NewOffsetManagerFromClient(groupID, client)
			must(t, "making an offset manager", err)
			managed, err := manager.ManagePartition(topic, partition)
			must(t, "ManagePartition", err)
			do(managed)
			managed.AsyncClose()
			must(t, "closing the manager", manager.Close())
			for err := range managed.Errors() {
				t.Errorf("the manager's error: %v", err)
			}
			must(t, "closing the client", client.Close())
		}
		wants := func(partition int32, offset int64, metadata string) {
			t.Helper()
			with(partition, func(managed sarama.PartitionOffsetManager) {
				if got, text := managed.NextOffset(); got != offset || text != metadata {
					t.Errorf("partition %d goes on at %d %q, want %d %q", partition, got, text, offset, metadata)
				}
			})
		}
		wants(0, sarama.OffsetNewest, "")
		with(0, func(managed sarama.PartitionOffsetManager) { managed.MarkOffset(5, "five") })
		wants(0, 5, "five")
		with(0, func(managed sarama.PartitionOffsetManager) { managed.ResetOffset(2, "back") })
		wants(0, 2, "back")
		wants(1, sarama.OffsetNewest, "")
	})
}

func TestAdminListsAndDescribesGroups(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 4)
		group := newGroup(t, theBroker, topic)
		config := groupConfig(version, sarama.NewBalanceStrategyRange())
		member := group.join(t, "only", config)
		group.settle(t, topic, 4)

		groups, err := admin.ListConsumerGroups()
		must(t, "ListConsumerGroups", err)
		if groups[group.id] != "consumer" {
			t.Errorf("it is listed as %q", groups[group.id])
		}
		describe := func(id string) *sarama.GroupDescription {
			t.Helper()
			described, err := admin.DescribeConsumerGroups([]string{id})
			must(t, "DescribeConsumerGroups", err)
			if len(described) != 1 || described[0].GroupId != id {
				t.Fatalf("it is described as %+v", described)
			}
			return described[0]
		}
		got := describe(group.id)
		if !ok(got.Err) || got.State != "Stable" || got.ProtocolType != "consumer" || got.Protocol != "range" {
			t.Errorf("it is described as %+v", got)
		}
		if len(got.Members) != 1 {
			t.Fatalf("it has %d members", len(got.Members))
		}
		for _, described := range got.Members {
			if described.ClientId != "compat-sarama" || described.ClientHost == "" {
				t.Errorf("its member is %+v", described)
			}
			assignment, err := described.GetMemberAssignment()
			must(t, "decoding the assignment", err)
			slices.Sort(assignment.Topics[topic])
			if !slices.Equal(assignment.Topics[topic], []int32{0, 1, 2, 3}) {
				t.Errorf("its member has %v", assignment.Topics)
			}
			subscription, err := described.GetMemberMetadata()
			must(t, "decoding the subscription", err)
			if !slices.Equal(subscription.Topics, []string{topic}) {
				t.Errorf("its member subscribes to %v", subscription.Topics)
			}
		}
		produce(t, theBroker, topic, 0, "so that there is an offset")
		member.take(t, 1)
		member.leave(t)
		if got := describe(group.id).State; got != "Empty" {
			t.Errorf("without members it is %s", got)
		}
		if got := describe(unique(t)); got.State != "Dead" {
			t.Errorf("a group that isn't there is %+v", got)
		}
	})
}

func TestAdminReadsAndWritesAGroupsOffsets(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		group := unique(t)
		answer, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
			topic: {0: {Offset: 3, Metadata: "three", LeaderEpoch: -1}, 1: {Offset: 4, LeaderEpoch: -1}},
		}, nil)
		must(t, "AlterConsumerGroupOffsets", err)
		for partition, code := range answer.Errors[topic] {
			if code != sarama.ErrNoError {
				t.Errorf("partition %d: %v", partition, code)
			}
		}
		some, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
		must(t, "ListConsumerGroupOffsets", err)
		if got := some.GetBlock(topic, 0); got == nil || got.Offset != 3 || got.Metadata != "three" {
			t.Errorf("partition 0 has %+v", got)
		}
		all, err := admin.ListConsumerGroupOffsets(group, nil)
		must(t, "ListConsumerGroupOffsets of all", err)
		if got := all.GetBlock(topic, 1); got == nil || got.Offset != 4 {
			t.Errorf("partition 1 has %+v", got)
		}
		none, err := admin.ListConsumerGroupOffsets(unique(t), map[string][]int32{topic: {0}})
		must(t, "ListConsumerGroupOffsets of no group", err)
		if got := none.GetBlock(topic, 0); got == nil || got.Offset != -1 || !ok(got.Err) {
			t.Errorf("a group that isn't there has %+v", got)
		}
	})
}

func TestAdminReadsManyGroupsOffsetsAtOnce(t *testing.T) {
	scenario(t, func(t testing.TB) {
		admin := newAdmin(t, theBroker, sarama.MaxVersion)
		topic := newTopic(t, 1)
		asked := map[string]map[string][]int32{}
		for _, offset := range []int64{1, 2} {
			group := unique(t)
			_, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
				topic: {0: {Offset: offset, LeaderEpoch: -1}},
			}, nil)
			must(t, "AlterConsumerGroupOffsets", err)
			asked[group] = map[string][]int32{topic: {0}}
			if offset == 2 {
				asked[group] = nil
			}
		}
		answers, err := admin.ListConsumerGroupOffsetsBatch(asked)
		must(t, "ListConsumerGroupOffsetsBatch", err)
		for group, partitions := range asked {
			want := int64(1)
			if partitions == nil {
				want = 2
			}
			got := answers[group]
			if got == nil || !ok(got.Err) || got.Blocks[topic][0].Offset != want {
				t.Errorf("%s has %+v, want offset %d", group, got, want)
			}
		}
	})
}

func TestAdminDeletesGroupsAndOffsets(t *testing.T) {
	eachVersion(t, since(sarama.V2_3_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		used, unused := newTopic(t, 1), newTopic(t, 1)
		group := newGroup(t, theBroker, used)
		_, err := admin.AlterConsumerGroupOffsets(group.id, map[string]map[int32]sarama.OffsetAndMetadata{
			used: {0: {LeaderEpoch: -1}}, unused: {0: {LeaderEpoch: -1}},
		}, nil)
		must(t, "AlterConsumerGroupOffsets", err)
		member := group.join(t, "only", groupConfig(version, sarama.NewBalanceStrategyRange()))
		group.settle(t, used, 1)

		if version.IsAtLeast(sarama.V2_4_0_0) {
			if err := admin.DeleteConsumerGroupOffset(group.id, used, 0); !errors.Is(err, sarama.ErrGroupSubscribedToTopic) {
				t.Errorf("deleting an offset that is in use: %v", err)
			}
			must(t, "DeleteConsumerGroupOffset", admin.DeleteConsumerGroupOffset(group.id, unused, 0))
			if got := group.committed(t, admin, unused, 0); got != -1 {
				t.Errorf("the deleted offset is %d", got)
			}
		}
		if err := admin.DeleteConsumerGroup(group.id); !errors.Is(err, sarama.ErrNonEmptyGroup) {
			t.Errorf("deleting a group with a member: %v", err)
		}
		member.leave(t)
		must(t, "DeleteConsumerGroup", admin.DeleteConsumerGroup(group.id))
		groups, err := admin.ListConsumerGroups()
		must(t, "ListConsumerGroups", err)
		if _, there := groups[group.id]; there {
			t.Error("the deleted group is still listed")
		}
		if err := admin.DeleteConsumerGroup(group.id); !errors.Is(err, sarama.ErrGroupIDNotFound) {
			t.Errorf("deleting it again: %v", err)
		}
	})
}

func TestAdminRemovesAStaticMember(t *testing.T) {
	eachVersion(t, since(sarama.V2_4_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		group := newGroup(t, theBroker, topic)
		config := groupConfig(version, sarama.NewBalanceStrategyRange())
		config.Consumer.Group.InstanceId = "instance"
		member := group.join(t, "static", config)
		group.settle(t, topic, 2)
		member.leave(t) // a static member stays in the group until its session time-out
		answer, err := admin.RemoveMemberFromConsumerGroup(group.id, []string{"instance", "nobody"})
		must(t, "RemoveMemberFromConsumerGroup", err)
		codes := map[string]sarama.KError{}
		for _, member := range answer.Members {
			codes[*member.GroupInstanceId] = member.Err
		}
		if codes["instance"] != sarama.ErrNoError || codes["nobody"] != sarama.ErrUnknownMemberId {
			t.Errorf("the answers are %v", codes)
		}
		described, err := admin.DescribeConsumerGroups([]string{group.id})
		must(t, "DescribeConsumerGroups", err)
		if len(described[0].Members) != 0 {
			t.Errorf("members are left: %v", described[0].Members)
		}
	})
}
