package sarama_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestSyncProducerIsAnsweredAsItsAcksSay(t *testing.T) {
	t.Parallel()
	for name, acks := range map[string]sarama.RequiredAcks{
		"acks 0": sarama.NoResponse, "acks 1": sarama.WaitForLocal, "acks all": sarama.WaitForAll,
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
				topic := newTopic(t, 1)
				config := configure(version)
				config.Producer.RequiredAcks = acks
				producer := newSyncProducer(t, theBroker, config)
				values := numbered("sync", 20)
				for i, value := range values {
					_, offset, err := producer.SendMessage(message(topic, 0, value))
					must(t, "sending", err)
					if acks != sarama.NoResponse && offset != int64(i) {
						t.Fatalf("message %d was acknowledged at offset %d", i, offset)
					}
				}
				wantValues(t, readAll(t, theBroker, configure(version), topic, 0, len(values)), 0, values)
			})
		})
	}
}

func TestSyncProducerSendsManyMessagesAtOnce(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 3)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Partitioner = sarama.NewManualPartitioner
		producer := newSyncProducer(t, theBroker, config)
		var messages []*sarama.ProducerMessage
		for i := range 300 {
			messages = append(messages, message(topic, int32(i%3), fmt.Sprint(i)))
		}
		must(t, "sending", producer.SendMessages(messages))
		for partition := range int32(3) {
			for _, got := range readAll(t, theBroker, configure(version), topic, partition, 100) {
				if want := fmt.Sprint(got.Offset*3 + int64(partition)); string(got.Value) != want {
					t.Fatalf("%s-%d has %q at %d, want %q", topic, partition, got.Value, got.Offset, want)
				}
			}
		}
	})
}

func TestAsyncProducerReportsEveryMessage(t *testing.T) {
	t.Parallel()
	for name, acks := range map[string]sarama.RequiredAcks{
		"acks 0": sarama.NoResponse, "acks 1": sarama.WaitForLocal, "acks all": sarama.WaitForAll,
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
				topic := newTopic(t, 4)
				config := configure(version)
				config.Producer.RequiredAcks = acks
				config.Producer.Flush.Frequency = 10 * time.Millisecond
				producer, err := sarama.NewAsyncProducer(theBroker.addrs, config)
				must(t, "making a producer", err)
				const sent = 500
				go func() {
					for i := range sent {
						m := message(topic, 0, fmt.Sprintf("async-%d", i))
						m.Key = sarama.StringEncoder(fmt.Sprint(i % 17))
						m.Metadata = i
						producer.Input() <- m
					}
					producer.AsyncClose()
				}()
				reported := map[int]bool{}
				perPartition := map[int32]int{}
				successes, failures := producer.Successes(), producer.Errors()
				for successes != nil || failures != nil {
					select {
					case success, ok := <-successes:
						if !ok {
							successes = nil
							continue
						}
						reported[success.Metadata.(int)] = true
						perPartition[success.Partition]++
					case failure, ok := <-failures:
						if !ok {
							failures = nil
							continue
						}
						t.Errorf("message %v: %v", failure.Msg.Metadata, failure.Err)
					}
				}
				if len(reported) != sent {
					t.Fatalf("%d of %d messages were reported", len(reported), sent)
				}
				for partition, n := range perPartition {
					readAll(t, theBroker, configure(version), topic, partition, n)
				}
			})
		})
	}
}

func TestCompressedMessagesComeBack(t *testing.T) {
	t.Parallel()
	since := map[sarama.CompressionCodec]sarama.KafkaVersion{
		sarama.CompressionNone:   sarama.MinVersion,
		sarama.CompressionGZIP:   sarama.MinVersion,
		sarama.CompressionSnappy: sarama.MinVersion,
		sarama.CompressionLZ4:    sarama.V0_10_0_0,
		sarama.CompressionZSTD:   sarama.V2_1_0_0,
	}
	for codec, first := range since {
		t.Run(codec.String(), func(t *testing.T) {
			var versions []sarama.KafkaVersion
			for _, version := range everyEra {
				if version.IsAtLeast(first) {
					versions = append(versions, version)
				}
			}
			eachVersion(t, versions, func(t testing.TB, version sarama.KafkaVersion) {
				topic := newTopic(t, 1)
				config := configure(version)
				config.Producer.RequiredAcks = sarama.WaitForAll
				config.Producer.Compression = codec
				// One batch of all, so that there is something to compress together.
				config.Producer.Flush.Messages = 50
				config.Producer.Flush.Frequency = time.Second
				producer := newSyncProducer(t, theBroker, config)
				var messages []*sarama.ProducerMessage
				var values []string
				for i := range 100 {
					values = append(values, strings.Repeat(fmt.Sprintf("value %d ", i), 20))
					messages = append(messages, message(topic, 0, values[i]))
				}
				must(t, "sending", producer.SendMessages(messages))
				wantValues(t, readAll(t, theBroker, configure(version), topic, 0, len(values)), 0, values)

				// In the middle of a compressed batch, the reader skips what comes before.
				_, from := newConsumer(t, theBroker, configure(version), topic, 0, 37)
				wantValues(t, take(t, from, 63), 37, values[37:])
			})
		})
	}
}

func TestPartitionersChooseThePartition(t *testing.T) {
	const partitions = 4
	byHash := func(key string) int32 {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(key))
		return max(int32(hash.Sum32())%partitions, -(int32(hash.Sum32()) % partitions))
	}
	t.Parallel()
	for _, partitioner := range []struct {
		name  string
		make  sarama.PartitionerConstructor
		check func(t testing.TB, sent []*sarama.ProducerMessage)
	}{
		{"hash", sarama.NewHashPartitioner, func(t testing.TB, sent []*sarama.ProducerMessage) {
			for i, m := range sent {
				if want := byHash(fmt.Sprint(i % 10)); m.Partition != want {
					t.Errorf("key %d went to partition %d, want %d", i%10, m.Partition, want)
				}
			}
		}},
		{"random", sarama.NewRandomPartitioner, func(t testing.TB, sent []*sarama.ProducerMessage) {
			used := map[int32]bool{}
			for _, m := range sent {
				used[m.Partition] = true
			}
			if len(used) != partitions {
				t.Errorf("%d messages reached only partitions %v", len(sent), used)
			}
		}},
		{"round robin", sarama.NewRoundRobinPartitioner, func(t testing.TB, sent []*sarama.ProducerMessage) {
			for i, m := range sent {
				if m.Partition != int32(i%partitions) {
					t.Errorf("message %d went to partition %d", i, m.Partition)
				}
			}
		}},
		{"manual", sarama.NewManualPartitioner, func(t testing.TB, sent []*sarama.ProducerMessage) {
			for _, m := range sent {
				if m.Partition != 3 {
					t.Errorf("a message for partition 3 went to %d", m.Partition)
				}
			}
		}},
	} {
		t.Run(partitioner.name, func(t *testing.T) {
			scenario(t, func(t testing.TB) {
				topic := newTopic(t, partitions)
				config := configure(sarama.DefaultVersion)
				config.Producer.RequiredAcks = sarama.WaitForAll
				config.Producer.Partitioner = partitioner.make
				producer := newSyncProducer(t, theBroker, config)
				var sent []*sarama.ProducerMessage
				perPartition := map[int32]int{}
				for i := range 100 {
					m := message(topic, 3, fmt.Sprint(i))
					m.Key = sarama.StringEncoder(fmt.Sprint(i % 10))
					_, _, err := producer.SendMessage(m)
					must(t, "sending", err)
					sent = append(sent, m)
					perPartition[m.Partition]++
				}
				partitioner.check(t, sent)
				for partition, n := range perPartition {
					readAll(t, theBroker, configure(sarama.DefaultVersion), topic, partition, n)
				}
			})
		})
	}
}

func TestMessagesOfAboutOneMegabyte(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.MaxMessageBytes = 1_000_000
		producer := newSyncProducer(t, theBroker, config)
		large := strings.Repeat("x", 999_000)
		for range 3 {
			_, _, err := producer.SendMessage(message(topic, 0, large))
			must(t, "sending 999,000 bytes", err)
		}
		if _, _, err := producer.SendMessage(message(topic, 0, large+large)); err == nil {
			t.Error("sarama sent more than its own MaxMessageBytes")
		}
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, 3), 0, []string{large, large, large})
	})
}

func TestTooLargeAMessageIsRefusedByTheBroker(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.MaxMessageBytes = 4_000_000
		producer := newSyncProducer(t, theBroker, config)
		_, _, err := producer.SendMessage(message(topic, 0, strings.Repeat("x", 2_000_000)))
		if !errors.Is(err, sarama.ErrMessageSizeTooLarge) {
			t.Fatalf("got %v, want %v", err, sarama.ErrMessageSizeTooLarge)
		}
		_, offset, err := producer.SendMessage(message(topic, 0, "small"))
		must(t, "sending a small one afterwards", err)
		if offset != 0 {
			t.Errorf("the small one is at %d: something of the large one was kept", offset)
		}
	})
}

func TestProducerRetriesOverABrokenConnection(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		wire := newWire()
		config := wire.through(configure(version))
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		for i := range 10 {
			if i == 5 {
				wire.reset()
			}
			_, _, err := producer.SendMessage(message(topic, 0, fmt.Sprint(i)))
			must(t, "sending", err)
		}
		seen := map[string]bool{}
		for _, got := range readAll(t, theBroker, configure(version), topic, 0, 10) {
			seen[string(got.Value)] = true
		}
		if len(seen) != 10 {
			t.Errorf("only %d of 10 messages arrived", len(seen))
		}
	})
}
