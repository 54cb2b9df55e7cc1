package sarama_test

import (
	"errors"
	"testing"

	"github.com/IBM/sarama"
)

func TestAdminElectsLeaders(t *testing.T) {
	eachVersion(t, since(sarama.V2_3_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 1)
		results, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
		must(t, "ElectLeaders", err)
		if got := results[topic][0]; got == nil || got.ErrorCode != sarama.ErrElectionNotNeeded {
			t.Errorf("the answer for a partition that has its preferred leader is %+v", got)
		}
	})
}

func TestAdminReassignsPartitions(t *testing.T) {
	eachVersion(t, since(sarama.V2_4_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 1)
		brokers, _, err := admin.DescribeCluster()
		must(t, "DescribeCluster", err)
		must(t, "AlterPartitionReassignments", admin.AlterPartitionReassignments(topic, [][]int32{{brokers[0].ID()}}))
		moving, err := admin.ListPartitionReassignments(topic, []int32{0})
		must(t, "ListPartitionReassignments", err)
		if len(brokers) == 1 && len(moving) != 0 {
			t.Errorf("a partition moves from the only broker to itself: %v", moving)
		}
		if err := admin.AlterPartitionReassignments(topic, [][]int32{{99}}); !errors.Is(err, sarama.ErrInvalidReplicaAssignment) {
			t.Errorf("to a broker that isn't there: %v", err)
		}
	})
}

func TestAdminKeepsClientQuotas(t *testing.T) {
	eachVersion(t, since(sarama.DefaultVersion), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		client := unique(t)
		entity := []sarama.QuotaEntityComponent{
			{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Name: client},
		}
		filter := []sarama.QuotaFilterComponent{
			{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Match: client},
		}
		rate := func() (float64, bool) {
			t.Helper()
			entries, err := admin.DescribeClientQuotas(filter, false)
			must(t, "DescribeClientQuotas", err)
			if len(entries) == 0 {
				return 0, false
			}
			value, there := entries[0].Values["producer_byte_rate"]
			return value, there
		}
		op := sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1_000_000}
		must(t, "AlterClientQuotas", admin.AlterClientQuotas(entity, op, false))
		eventually(t, "the quota is a million", func() bool { value, _ := rate(); return value == 1_000_000 })
		op.Remove = true
		must(t, "AlterClientQuotas", admin.AlterClientQuotas(entity, op, false))
		eventually(t, "the quota is gone", func() bool { _, there := rate(); return !there })
	})
}

func TestAdminIsRefusedAnUnknownFeature(t *testing.T) {
	eachVersion(t, since(sarama.DefaultVersion), func(t testing.TB, version sarama.KafkaVersion) {
		results, err := newAdmin(t, theBroker, version).UpdateFeatures([]sarama.FeatureUpdate{
			{Feature: "no.such.feature", MaxVersionLevel: 1},
		})
		if err == nil && len(results) == 1 {
			err = results[0].ErrorCode // where Apache Kafka 3 has it
		}
		if !errors.Is(err, sarama.ErrInvalidUpdateVersion) {
			t.Errorf("got %v, want %v", err, sarama.ErrInvalidUpdateVersion)
		}
	})
}
