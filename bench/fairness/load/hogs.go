package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A hog is one client that takes what it can get, until standard input ends. They say what they got.

type got struct {
	requests, bytes atomic.Int64
}

var hogs = map[string]func(*options, *got) error{
	"produce":     hogProduce,
	"slow-reader": hogSlowReader,
	"fetch-many":  hogFetchMany,
	"metadata":    hogMetadata,
	"create":      hogCreate,
	"catch-up":    hogCatchUp,
}

func hog(o *options) (any, error) {
	run, known := hogs[o.kind]
	if !known {
		return nil, fmt.Errorf("no hog is called %q", o.kind)
	}
	received := &got{}
	failed := make(chan error, 1)
	began := time.Now()
	go func() { failed <- run(o, received) }()
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case err := <-failed:
		return nil, fmt.Errorf("the hog ended by itself: %v", err)
	case <-ended:
	}
	return map[string]any{
		"requests": received.requests.Load(),
		"bytes":    received.bytes.Load(),
		"seconds":  time.Since(began).Seconds(),
	}, nil
}

// pipelined sends what next makes, some in flight, and throws the answers away.
func pipelined(c *conn, inFlight int, next func() (kmsg.Request, int), received *got) error {
	room := make(chan int, inFlight)
	failed := make(chan error, 1)
	go func() {
		for size := range room {
			answered, err := c.skip()
			if err != nil {
				failed <- err
				return
			}
			received.requests.Add(1)
			received.bytes.Add(int64(max(size, answered)))
		}
	}()
	for {
		request, size := next()
		select {
		case room <- size:
		case err := <-failed:
			return err
		}
		if err := c.send(request); err != nil {
			return err
		}
	}
}

// hogProduce writes the same bytes again and again: what is measured is not how fast we encode.
func hogProduce(o *options, received *got) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	if err := createTopics(c, []string{o.topic}, 1); err != nil {
		return err
	}
	request := produceTo(o.topic, []int32{0}, batch(o.size))
	frame := formatter.AppendRequest(nil, request, 1)
	room := make(chan struct{}, 5)
	failed := make(chan error, 1)
	go func() {
		for range room {
			if _, err := c.skip(); err != nil {
				failed <- err
				return
			}
			received.requests.Add(1)
			received.bytes.Add(int64(o.size))
		}
	}()
	for {
		select {
		case room <- struct{}{}:
		case err := <-failed:
			return err
		}
		if _, err := c.Write(frame); err != nil {
			return err
		}
	}
}

// hogSlowReader asks for much on several connections, one half for records, one half for all metadata, and never
// reads an answer.
func hogSlowReader(o *options, received *got) error {
	failed := make(chan error, o.connections)
	for i := range o.connections {
		c, err := dial(o.bootstrap)
		if err != nil {
			return err
		}
		// The kernel shall not take the answers in our stead.
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			return err
		}
		go func() {
			var request kmsg.Request = fetchOf(o.topic, []int32{0}, 0, 100<<20, 0)
			if i%2 == 1 {
				request = metadataOf()
			}
			for range 10_000 {
				if err := c.send(request); err != nil {
					failed <- err
					return
				}
				received.requests.Add(1)
			}
			select {}
		}()
	}
	return <-failed
}

func hogFetchMany(o *options, received *got) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	request := fetchOf(o.topic, upTo(o.n), 0, 1<<20, 0)
	return pipelined(c, 1, func() (kmsg.Request, int) { return request, 0 }, received)
}

func hogMetadata(o *options, received *got) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	request := metadataOf()
	return pipelined(c, 1, func() (kmsg.Request, int) { return request, 0 }, received)
}

// hogCreate makes topics of ten partitions, ten a request.
func hogCreate(o *options, received *got) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	made := 0
	return pipelined(c, 1, func() (kmsg.Request, int) {
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Version = 5
		request.TimeoutMillis = 60_000
		for range 10 {
			made++
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic = fmt.Sprintf("storm-%d-%d", os.Getpid(), made)
			topic.NumPartitions = 10
			topic.ReplicationFactor = 1
			request.Topics = append(request.Topics, topic)
		}
		return request, 0
	}, received)
}

// hogCatchUp reads a partition from its beginning, as a consumer with default limits does, and begins anew at
// the end.
func hogCatchUp(o *options, received *got) error {
	c, err := dial(o.bootstrap)
	if err != nil {
		return err
	}
	var offset int64
	for {
		request := fetchOf(o.topic, []int32{0}, offset, int32(o.size), 0)
		response, err := c.call(request)
		if err != nil {
			return err
		}
		partition := response.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if partition.ErrorCode != 0 {
			return fmt.Errorf("fetch: error %d", partition.ErrorCode)
		}
		received.requests.Add(1)
		received.bytes.Add(int64(len(partition.RecordBatches)))
		offset = nextOffset(partition.RecordBatches, offset)
		if offset >= partition.HighWatermark {
			offset = 0
		}
	}
}

// nextOffset walks whole batches; what is left over at the end is a part of one.
func nextOffset(records []byte, offset int64) int64 {
	for len(records) > 61 {
		size := 12 + int(int32(be32(records[8:])))
		if size > len(records) {
			break
		}
		offset = int64(be64(records)) + int64(be32(records[23:])) + 1
		records = records[size:]
	}
	return offset
}

// echo gives back what it is sent, byte for byte: the control of a measurement. It prints its address first.
func echo(*options) (any, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				message := make([]byte, 1)
				for {
					if _, err := c.Read(message); err != nil {
						return
					}
					if _, err := c.Write(message); err != nil {
						return
					}
				}
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	return map[string]any{}, nil
}
