// Command sarama is sarama at its work: see ../../README.md for what it is told and what it says.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var oneLine sync.Mutex

func say(format string, args ...any) {
	oneLine.Lock()
	defer oneLine.Unlock()
	fmt.Printf(format+"\n", args...)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type handler struct{ topic string }

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	say("ready %d", len(session.Claims()[h.topic]))
	return nil
}
func (h handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		say("got %d %d %s", message.Partition, message.Offset, message.Value)
		session.MarkMessage(message, "")
	}
	return nil
}

func main() {
	name, seeds, topic := os.Args[1], strings.Split(os.Args[2], ","), os.Args[3]
	config := sarama.NewConfig()
	config.Version = sarama.V2_3_0_0
	config.ClientID = name
	config.Metadata.Retry.Max = 50
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 100
	config.Producer.Retry.Backoff = 100 * time.Millisecond
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond

	group, err := sarama.NewConsumerGroup(seeds, name, config)
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	consumed := make(chan struct{})
	go func() {
		defer close(consumed)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{topic}, handler{topic}); err != nil {
				fmt.Fprintln(os.Stderr, "consuming:", err)
			}
		}
	}()
	producer, err := sarama.NewSyncProducer(seeds, config)
	must(err)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan() && lines.Text() != "end"; {
		var first, last int
		_, err := fmt.Sscanf(lines.Text(), "send %d %d", &first, &last)
		must(err)
		var messages []*sarama.ProducerMessage
		for number := first; number < last; number++ {
			messages = append(messages, &sarama.ProducerMessage{
				Topic: topic, Partition: int32(number % 10), Value: sarama.StringEncoder(fmt.Sprint(name, " ", number)),
			})
		}
		if err := producer.SendMessages(messages); err != nil {
			say("lost %s %d to %d: %v", name, first, last, err)
		}
		say("acked %d", last)
	}
	must(producer.Close())
	stop()
	<-consumed
	must(group.Close())
	say("ended")
}
