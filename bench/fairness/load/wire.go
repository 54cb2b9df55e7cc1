package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one connection to a broker that speaks in raw requests: nothing is retried, gathered or looked up
// behind the measurement's back. One goroutine may send while another receives.
type conn struct {
	net.Conn
	in          *bufio.Reader
	out         []byte
	correlation int32
}

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("load"))

func dial(bootstrap string) (*conn, error) {
	c, err := net.Dial("tcp", bootstrap)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10)}, nil
}

func (c *conn) send(request kmsg.Request) error {
	c.correlation++
	c.out = formatter.AppendRequest(c.out[:0], request, c.correlation)
	_, err := c.Write(c.out)
	return err
}

// skip reads one answer and throws it away; it gives its size.
func (c *conn) skip() (int, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint32(length[:]))
	_, err := c.in.Discard(size)
	return size, err
}

func (c *conn) receive(request kmsg.Request) (kmsg.Response, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, err
	}
	at := 4
	if request.IsFlexible() && request.Key() != 18 {
		at++ // no tagged field of a response's header exists
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	return response, response.ReadFrom(body[at:])
}

func (c *conn) call(request kmsg.Request) (kmsg.Response, error) {
	if err := c.send(request); err != nil {
		return nil, err
	}
	return c.receive(request)
}

// batch makes one record batch (magic 2, not compressed, not idempotent) of about size bytes, in records of
// up to 1 KiB.
func batch(size int) []byte {
	var records []byte
	count := 0
	for left := size; left > 0; count++ {
		value := min(left, 1024)
		left -= value
		var body []byte
		body = append(body, 0)
		body = binary.AppendVarint(body, 0)
		body = binary.AppendVarint(body, int64(count))
		body = binary.AppendVarint(body, -1)
		body = binary.AppendVarint(body, int64(value))
		for i := range value {
			body = append(body, byte(i*7+count))
		}
		body = binary.AppendVarint(body, 0)
		records = binary.AppendVarint(records, int64(len(body)))
		records = append(records, body...)
	}
	const overhead = 61
	made := make([]byte, overhead, overhead+len(records))
	made = append(made, records...)
	put32 := func(at int, value int32) { binary.BigEndian.PutUint32(made[at:], uint32(value)) }
	put64 := func(at int, value int64) { binary.BigEndian.PutUint64(made[at:], uint64(value)) }
	put32(8, int32(len(made)-12))
	put32(12, -1)
	made[16] = 2
	put32(23, int32(count-1))
	put64(27, 1_700_000_000_000)
	put64(35, 1_700_000_000_000)
	put64(43, -1)
	made[51], made[52] = 0xff, 0xff
	put32(53, -1)
	put32(57, int32(count))
	put32(17, int32(crc32.Checksum(made[21:], crc32.MakeTable(crc32.Castagnoli))))
	return made
}

func produceTo(topic string, partitions []int32, records []byte) *kmsg.ProduceRequest {
	request := kmsg.NewPtrProduceRequest()
	request.Version = 9
	request.Acks = -1
	request.TimeoutMillis = 30_000
	asked := kmsg.NewProduceRequestTopic()
	asked.Topic = topic
	for _, index := range partitions {
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Partition = index
		partition.Records = records
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	return request
}

func produced(c *conn, request *kmsg.ProduceRequest) (int64, error) {
	response, err := c.call(request)
	if err != nil {
		return 0, err
	}
	var offset int64
	for _, topic := range response.(*kmsg.ProduceResponse).Topics {
		for _, partition := range topic.Partitions {
			if partition.ErrorCode != 0 {
				return 0, fmt.Errorf("produce to %s-%d: error %d", topic.Topic, partition.Partition, partition.ErrorCode)
			}
			offset = partition.BaseOffset
		}
	}
	return offset, nil
}

// fetchOf asks for partitions from an offset on. waitMs 0 answers at once; epoch -1 is without a session.
func fetchOf(topic string, partitions []int32, offset int64, partitionBytes, waitMs int32) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.Version = 12
	request.ReplicaID = -1
	request.MaxWaitMillis = waitMs
	request.MinBytes = 1
	request.MaxBytes = 100 << 20
	request.SessionEpoch = -1
	if len(partitions) == 0 {
		return request
	}
	asked := kmsg.NewFetchRequestTopic()
	asked.Topic = topic
	for _, index := range partitions {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition = index
		partition.FetchOffset = offset
		partition.PartitionMaxBytes = partitionBytes
		partition.CurrentLeaderEpoch = -1
		partition.LastFetchedEpoch = -1
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	return request
}

func metadataOf(topics ...string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Version = 9
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	return request // no topic is null: all topics
}

func apiVersions() *kmsg.ApiVersionsRequest {
	request := kmsg.NewPtrApiVersionsRequest()
	request.Version = 3
	request.ClientSoftwareName = "load"
	request.ClientSoftwareVersion = "1"
	return request
}

func upTo(count int) []int32 {
	indexes := make([]int32, count)
	for i := range indexes {
		indexes[i] = int32(i)
	}
	return indexes
}
