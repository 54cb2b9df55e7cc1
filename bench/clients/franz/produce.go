package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// producing are the options of every workload that produces: idempotent with acks=all, as franz-go is by
// default, and buffers of o.buffered records: so large that small records don't starve it.
func producing(o *options) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(o.buffered),
		kgo.MaxBufferedBytes(128 << 20),
	}
	switch o.compression {
	case "none":
		opts = append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))
	case "lz4":
		opts = append(opts, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	default:
		return nil, fmt.Errorf("compression %q is not known here", o.compression)
	}
	if o.batchBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(o.batchBytes)))
	}
	if o.lingerMs >= 0 {
		opts = append(opts, kgo.ProducerLinger(time.Duration(o.lingerMs)*time.Millisecond))
	}
	return opts, nil
}

// batches counts what was written.
type batches struct{ count atomic.Int64 }

func (b *batches) OnProduceBatchWritten(kgo.BrokerMetadata, string, int32, kgo.ProduceBatchMetrics) {
	b.count.Add(1)
}

func produce(ctx context.Context, o *options) (result, error) { return fill(ctx, o) }

// spread is produce without linger and with franz-go's own limit of buffered records: the more partitions, the
// smaller the batches.
func spread(ctx context.Context, o *options) (result, error) {
	o.buffered = 10_000
	if o.lingerMs < 0 {
		o.lingerMs = 0
	}
	return fill(ctx, o)
}

// fill produces the records round robin over the topic's partitions, as fast as the client takes them.
func fill(ctx context.Context, o *options) (result, error) {
	opts, err := producing(o)
	if err != nil {
		return nil, err
	}
	written := &batches{}
	client, err := connected(ctx, o, append(opts, kgo.WithHooks(written))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	partitions, err := partitionsOf(ctx, client, o.topic)
	if err != nil {
		return nil, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		return nil, err
	}
	values := payloads(o.size)
	var acknowledged atomic.Int64
	var failure atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failure.CompareAndSwap(nil, &err)
			return
		}
		acknowledged.Add(1)
	}
	if o.touch {
		first := make([]*kgo.Record, partitions)
		for n := range first {
			first[n] = &kgo.Record{Topic: o.topic, Partition: int32(n), Value: values[n%len(values)]}
		}
		if err := client.ProduceSync(ctx, first...).FirstErr(); err != nil {
			return nil, err
		}
		written.count.Store(0)
	}
	watch := start(o)
	for n := 0; n < o.records && failure.Load() == nil; n++ {
		record := &kgo.Record{Topic: o.topic, Partition: int32(n % partitions), Value: values[n%len(values)]}
		client.Produce(ctx, record, promise)
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	said := watch.stop(result{"records": o.records, "bytes": o.records * o.size, "batches": written.count.Load()})
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	if acknowledged.Load() != int64(o.records) {
		return nil, fmt.Errorf("%d of %d records were acknowledged", acknowledged.Load(), o.records)
	}
	return said, nil
}
