// librdkafka's mock cluster as a process: prints `ready HOST:PORT`, and ends when standard input does.
// It answers no CreateTopics, so a line `NAME PARTITIONS` on standard input makes a topic, answered by `made`.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	cluster, err := kafka.NewMockCluster(1)
	if err != nil {
		fail(err)
	}
	defer cluster.Close()
	fmt.Println("ready", cluster.BootstrapServers())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var name string
		var partitions int
		if _, err := fmt.Sscan(lines.Text(), &name, &partitions); err != nil {
			fail(err)
		}
		if err := cluster.CreateTopic(name, partitions, 1); err != nil {
			fail(err)
		}
		fmt.Println("made")
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mock:", err)
	os.Exit(1)
}
