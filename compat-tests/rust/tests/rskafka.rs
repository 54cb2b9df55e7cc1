//! rskafka, a client in Rust alone: no groups, hard-coded ranges of versions.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use compat_rust::{bootstrap, unique};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

async fn client() -> Client {
    ClientBuilder::new(vec![bootstrap().to_string()])
        .build()
        .await
        .unwrap()
}

async fn partition() -> PartitionClient {
    let (client, topic) = (client().await, unique("rskafka"));
    client
        .controller_client()
        .unwrap()
        .create_topic(&topic, 1, 1, 5_000)
        .await
        .unwrap();
    client
        .partition_client(topic, 0, UnknownTopicHandling::Retry)
        .await
        .unwrap()
}

fn record(value: &str, seconds: i64) -> Record {
    Record {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: BTreeMap::from([("h".to_string(), b"1".to_vec())]),
        timestamp: DateTime::<Utc>::from_timestamp(1_600_000_000 + seconds, 0).unwrap(),
    }
}

#[tokio::test]
async fn topics_are_listed() {
    let (client, topic) = (client().await, unique("rskafka"));
    client
        .controller_client()
        .unwrap()
        .create_topic(&topic, 3, 1, 5_000)
        .await
        .unwrap();
    let found = client.list_topics().await.unwrap();
    let listed = found.iter().find(|one| one.name == topic).unwrap();
    assert_eq!(
        listed.partitions.iter().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([0, 1, 2])
    );
}

#[tokio::test]
async fn records_come_back_as_sent_with_each_compression() {
    let partition = partition().await;
    let mut sent = Vec::new();
    let codecs = [
        Compression::NoCompression,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for (number, codec) in codecs.into_iter().enumerate() {
        let made = record(&"long ".repeat(100), number as i64);
        let offsets = partition.produce(vec![made.clone()], codec).await.unwrap();
        assert_eq!(offsets, [number as i64]);
        sent.push(made);
    }
    let (mut got, mut next) = (Vec::new(), 0);
    while got.len() < sent.len() {
        let (records, high_watermark) = partition
            .fetch_records(next, 1..1_000_000, 5_000)
            .await
            .unwrap();
        assert_eq!(high_watermark, 5);
        next = records.last().unwrap().offset + 1;
        got.extend(records.into_iter().map(|one| one.record));
    }
    assert_eq!(got, sent);
}

#[tokio::test]
async fn offsets_are_told_and_records_deleted() {
    let partition = partition().await;
    let sent = (0..5).map(|number| record("v", number)).collect();
    partition
        .produce(sent, Compression::NoCompression)
        .await
        .unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 5);
    let third = DateTime::<Utc>::from_timestamp(1_600_000_002, 0).unwrap();
    assert_eq!(
        partition
            .get_offset(OffsetAt::Timestamp(third))
            .await
            .unwrap(),
        2
    );
    partition.delete_records(3, 5_000).await.unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 3);
    assert!(partition
        .fetch_records(0, 1..1_000_000, 1_000)
        .await
        .is_err());
}
