package sarama_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestConsumePartitionFromOldest(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		values := numbered("old", 10)
		produce(t, theBroker, topic, 0, values...)
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, 10), 0, values)
	})
}

func TestConsumePartitionFromNewest(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("before", 5)...)
		_, from := newConsumer(t, theBroker, configure(version), topic, 0, sarama.OffsetNewest)
		produce(t, theBroker, topic, 0, numbered("after", 5)...)
		wantValues(t, take(t, from, 5), 5, numbered("after", 5))
	})
}

func TestConsumePartitionFromANumber(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		values := numbered("at", 10)
		produce(t, theBroker, topic, 0, values...)
		_, from := newConsumer(t, theBroker, configure(version), topic, 0, 7)
		wantValues(t, take(t, from, 3), 7, values[7:])
	})
}

func TestConsumePartitionFromANumberThatIsNotThere(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("only", 3)...)
		consumer, err := sarama.NewConsumer(theBroker.addrs, configure(version))
		must(t, "making a consumer", err)
		defer consumer.Close()
		for _, offset := range []int64{4, 1000} {
			if _, err := consumer.ConsumePartition(topic, 0, offset); !errors.Is(err, sarama.ErrOffsetOutOfRange) {
				t.Errorf("offset %d: %v, want %v", offset, err, sarama.ErrOffsetOutOfRange)
			}
		}
	})
}

func TestConsumerWaitsForWhatComes(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(version)
		config.Consumer.MaxWaitTime = 5 * time.Second
		_, from := newConsumer(t, theBroker, config, topic, 0, sarama.OffsetOldest)
		for i, value := range numbered("one at a time", 5) {
			produce(t, theBroker, topic, 0, value)
			wantValues(t, take(t, from, 1), int64(i), []string{value})
		}
	})
}

func TestTopicsPartitionsAndHighWaterMarks(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 3)
		produce(t, theBroker, topic, 0, numbered("zero", 4)...)
		produce(t, theBroker, topic, 2, numbered("two", 2)...)
		consumer, err := sarama.NewConsumer(theBroker.addrs, configure(version))
		must(t, "making a consumer", err)
		defer consumer.Close()

		topics, err := consumer.Topics()
		must(t, "Topics", err)
		if !slices.Contains(topics, topic) {
			t.Errorf("Topics() is %v, without %s", topics, topic)
		}
		partitions, err := consumer.Partitions(topic)
		must(t, "Partitions", err)
		slices.Sort(partitions)
		if !slices.Equal(partitions, []int32{0, 1, 2}) {
			t.Errorf("Partitions() is %v", partitions)
		}

		for _, partition := range []int32{0, 2} {
			from, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
			must(t, "consuming", err)
			defer from.Close()
			take(t, from, 2)
		}
		eventually(t, "the high water marks are 4 and 2", func() bool {
			marks := consumer.HighWaterMarks()[topic]
			return marks[0] == 4 && marks[2] == 2
		})
	})
}

func TestKeysHeadersAndTimestampsComeBack(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		sent := time.UnixMilli(1_700_000_000_123)
		full := message(topic, 0, "value")
		full.Key = sarama.StringEncoder("key")
		full.Timestamp = sent
		bare := &sarama.ProducerMessage{Topic: topic}
		if version.IsAtLeast(sarama.V0_11_0_0) {
			full.Headers = []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("1")}, {Key: []byte("h"), Value: []byte{}}}
		}
		for _, m := range []*sarama.ProducerMessage{full, bare} {
			_, _, err := producer.SendMessage(m)
			must(t, "sending", err)
		}
		got := readAll(t, theBroker, configure(version), topic, 0, 2)
		if string(got[0].Key) != "key" || string(got[0].Value) != "value" {
			t.Errorf("got key %q and value %q", got[0].Key, got[0].Value)
		}
		if version.IsAtLeast(sarama.V0_10_0_0) && !got[0].Timestamp.Equal(sent) {
			t.Errorf("sent at %v, came back as of %v", sent, got[0].Timestamp)
		}
		if len(got[0].Headers) != len(full.Headers) {
			t.Errorf("%d headers came back of %d", len(got[0].Headers), len(full.Headers))
		}
		for i, header := range got[0].Headers {
			if string(header.Key) != "h" || string(header.Value) != string(full.Headers[i].Value) {
				t.Errorf("header %d is %q: %q", i, header.Key, header.Value)
			}
		}
		if got[1].Key != nil || got[1].Value != nil {
			t.Errorf("no key and no value came back as %q and %q", got[1].Key, got[1].Value)
		}
	})
}

func TestLogAppendTimeIsTheBrokersTime(t *testing.T) {
	eachVersion(t, []sarama.KafkaVersion{sarama.V0_10_2_0, sarama.V2_3_0_0, sarama.DefaultVersion},
		func(t testing.TB, version sarama.KafkaVersion) {
			topic := newTopicAt(t, theBroker, 1, map[string]*string{"message.timestamp.type": pointer("LogAppendTime")})
			before := time.Now().Add(-time.Minute)
			config := configure(version)
			config.Producer.RequiredAcks = sarama.WaitForAll
			config.Producer.Compression = sarama.CompressionGZIP
			producer := newSyncProducer(t, theBroker, config)
			sent := message(topic, 0, "value")
			sent.Timestamp = time.UnixMilli(1_000_000)
			_, _, err := producer.SendMessage(sent)
			must(t, "sending", err)
			if version.IsAtLeast(sarama.V0_10_0_0) && sent.Timestamp.Before(before) {
				t.Errorf("the producer was told the time %v", sent.Timestamp)
			}
			got := readAll(t, theBroker, configure(version), topic, 0, 1)[0].Timestamp
			if got.Before(before) {
				t.Errorf("the consumer was told the time %v", got)
			}
		})
}

// What one version of sarama has written every other can read: the broker converts batches for old consumers and
// message sets for new ones.
func TestEveryVersionReadsWhatEveryOtherWrote(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, writes sarama.KafkaVersion) {
		for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP} {
			topic := newTopic(t, 1)
			config := configure(writes)
			config.Producer.RequiredAcks = sarama.WaitForAll
			config.Producer.Compression = codec
			config.Producer.Flush.Messages = 20
			config.Producer.Flush.Frequency = time.Second
			producer := newSyncProducer(t, theBroker, config)
			var messages []*sarama.ProducerMessage
			values := numbered("any", 20)
			for _, value := range values {
				messages = append(messages, message(topic, 0, value))
			}
			must(t, "sending", producer.SendMessages(messages))
			for _, reads := range everyEra {
				if theBroker.kind == "kafka" && !reads.IsAtLeast(sarama.V2_1_0_0) && lowestProduce(t) > 0 {
					continue
				}
				wantValues(t, readAll(t, theBroker, configure(reads), topic, 0, len(values)), 0, values)
			}
		}
	})
}

func TestMessagesLargerThanTheFetchSizeArrive(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		if theBroker.kind == "kafka" && !version.IsAtLeast(sarama.V0_10_1_0) {
			t.Skip("Apache Kafka answers Fetch 0-2 with an overflow message here, at which sarama asks the same for ever")
		}
		topic := newTopic(t, 1)
		large := strings.Repeat("0123456789", 20_000)
		produce(t, theBroker, topic, 0, "small", large, "small")
		config := configure(version)
		config.Consumer.Fetch.Default = 10_000
		wantValues(t, readAll(t, theBroker, config, topic, 0, 3), 0, []string{"small", large, "small"})
	})
}

func TestManyMessagesArriveOnceAndInOrder(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForLocal
		config.Producer.Flush.MaxMessages = 100
		producer := newSyncProducer(t, theBroker, config)
		values := numbered("many", 2000)
		var messages []*sarama.ProducerMessage
		for _, value := range values {
			messages = append(messages, message(topic, 0, value))
		}
		must(t, "sending", producer.SendMessages(messages))
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, len(values)), 0, values)
	})
}

func TestPausedPartitionStaysQuiet(t *testing.T) {
	scenario(t, func(t testing.TB) {
		topic := newTopic(t, 2)
		config := configure(sarama.DefaultVersion)
		consumer, paused := newConsumer(t, theBroker, config, topic, 0, sarama.OffsetOldest)
		other, err := consumer.ConsumePartition(topic, 1, sarama.OffsetOldest)
		must(t, "consuming", err)
		defer other.Close()
		produce(t, theBroker, topic, 0, "first")
		take(t, paused, 1)
		paused.Pause()
		produce(t, theBroker, topic, 0, "second")
		produce(t, theBroker, topic, 1, "other")
		take(t, other, 1)
		paused.Resume()
		wantValues(t, take(t, paused, 1), 1, []string{"second"})
	})
}
