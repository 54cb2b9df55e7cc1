//! rdkafka, the Rust binding of librdkafka.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compat_rust::{admin, bootstrap, new_topic, new_topic_at, unique, until, Served, SOON};
use futures_executor::block_on;
use rdkafka::admin::{AdminOptions, NewPartitions, ResourceSpecifier};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DefaultProducerContext, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

const POLL: Duration = Duration::from_millis(200);

/// Keeps (partition, offset) of what was delivered, or the error.
#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Vec<Result<(i32, i64), RDKafkaErrorCode>>>>);

impl ClientContext for Deliveries {}
impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        self.0.lock().unwrap().push(match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::Unknown)),
        });
    }
}

fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut made = ClientConfig::new();
    made.set("bootstrap.servers", bootstrap);
    for (name, value) in settings {
        made.set(*name, *value);
    }
    made
}

fn send_at(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    values: &[String],
    settings: &[(&str, &str)],
) {
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> = config(bootstrap, settings)
        .create_with_context(deliveries.clone())
        .unwrap();
    for value in values {
        producer
            .send(
                BaseRecord::<(), String>::to(topic)
                    .partition(partition)
                    .payload(value),
            )
            .map_err(|e| e.0)
            .unwrap();
    }
    producer.flush(SOON).unwrap();
    let told = deliveries.0.lock().unwrap();
    assert_eq!(told.len(), values.len());
    assert!(told.iter().all(Result::is_ok), "{told:?}");
}

fn send(topic: &str, partition: i32, values: &[String]) {
    send_at(bootstrap(), topic, partition, values, &[]);
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect()
}

fn reader(bootstrap: &str, topic: &str, from: Offset) -> BaseConsumer {
    let settings = [
        ("group.id", "none"),
        ("check.crcs", "true"),
        ("enable.partition.eof", "true"),
    ];
    let consumer: BaseConsumer = config(bootstrap, &settings).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, 0, from).unwrap();
    consumer.assign(&asked).unwrap();
    consumer
}

fn text(message: &impl Message) -> String {
    String::from_utf8(message.payload().unwrap_or_default().to_vec()).unwrap()
}

fn take(consumer: &BaseConsumer, count: usize) -> Vec<String> {
    let mut got = Vec::new();
    until(&format!("{count} records"), || {
        match consumer.poll(POLL) {
            Some(Ok(message)) => got.push(text(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(other)) => panic!("{other}"),
        }
        (got.len() >= count).then_some(())
    });
    got
}

fn member(group: &str, topic: &str) -> BaseConsumer {
    let settings = [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("session.timeout.ms", "6000"),
    ];
    let consumer: BaseConsumer = config(bootstrap(), &settings).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

fn partitions_of(consumer: &BaseConsumer) -> BTreeSet<i32> {
    consumer
        .assignment()
        .unwrap()
        .elements()
        .iter()
        .map(|one| one.partition())
        .collect()
}

#[test]
fn metadata_tells_of_brokers_and_partitions() {
    let topic = new_topic(3);
    let consumer = reader(bootstrap(), &topic, Offset::Beginning);
    let found = consumer.fetch_metadata(Some(&topic), SOON).unwrap();
    assert!(!found.brokers().is_empty());
    assert_eq!(found.topics()[0].partitions().len(), 3);
    assert!(found.topics()[0]
        .partitions()
        .iter()
        .all(|one| one.leader() > 0 && one.error().is_none()));
    assert!(consumer.client().fetch_cluster_id(SOON).is_some());
}

#[test]
fn records_are_sent_with_each_acks() {
    for acks in ["0", "1", "all"] {
        let (topic, values) = (new_topic(1), numbered(acks, 50));
        send_at(bootstrap(), &topic, 0, &values, &[("acks", acks)]);
        assert_eq!(
            take(&reader(bootstrap(), &topic, Offset::Beginning), 50),
            values,
            "acks={acks}"
        );
    }
}

#[test]
fn records_are_sent_with_each_compression() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let (topic, values) = (new_topic(1), numbered(&"long ".repeat(50), 200));
        send_at(
            bootstrap(),
            &topic,
            0,
            &values,
            &[("compression.type", codec), ("linger.ms", "20")],
        );
        assert_eq!(
            take(&reader(bootstrap(), &topic, Offset::Beginning), 200),
            values,
            "{codec}"
        );
    }
}

#[test]
fn keys_headers_and_times_are_kept() {
    let topic = new_topic(1);
    let producer: ThreadedProducer<DefaultProducerContext> =
        config(bootstrap(), &[]).create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "one",
            value: Some("1"),
        })
        .insert(Header {
            key: "none",
            value: None::<&str>,
        });
    let record = BaseRecord::to(&topic)
        .key("k")
        .payload("v")
        .timestamp(1_600_000_000_123)
        .headers(headers);
    producer.send(record).map_err(|e| e.0).unwrap();
    producer
        .send(BaseRecord::<str, str>::to(&topic).key("gone"))
        .map_err(|e| e.0)
        .unwrap();
    producer.flush(SOON).unwrap();
    let consumer = reader(bootstrap(), &topic, Offset::Beginning);
    let first = until("the first", || consumer.poll(POLL)).unwrap().detach();
    assert_eq!(
        (first.key(), first.payload()),
        (Some(&b"k"[..]), Some(&b"v"[..]))
    );
    assert_eq!(first.timestamp().to_millis(), Some(1_600_000_000_123));
    let kept: Vec<_> = first
        .headers()
        .unwrap()
        .iter()
        .map(|one| (one.key, one.value))
        .collect();
    assert_eq!(kept, [("one", Some(&b"1"[..])), ("none", None)]);
    let second = until("the second", || consumer.poll(POLL))
        .unwrap()
        .detach();
    assert_eq!((second.key(), second.payload()), (Some(&b"gone"[..]), None));
}

#[test]
fn an_idempotent_producer_keeps_order() {
    let (topic, values) = (new_topic(1), numbered("once", 300));
    send_at(
        bootstrap(),
        &topic,
        0,
        &values,
        &[("enable.idempotence", "true"), ("batch.num.messages", "7")],
    );
    assert_eq!(
        take(&reader(bootstrap(), &topic, Offset::Beginning), 300),
        values
    );
}

#[test]
fn reading_starts_where_it_is_told() {
    let (topic, values) = (new_topic(1), numbered("v", 20));
    send(&topic, 0, &values);
    assert_eq!(
        take(&reader(bootstrap(), &topic, Offset::Offset(17)), 3),
        values[17..]
    );
    assert_eq!(
        take(&reader(bootstrap(), &topic, Offset::OffsetTail(2)), 2),
        values[18..]
    );
    let latest = reader(bootstrap(), &topic, Offset::End);
    until("it is at the end", || match latest.poll(POLL)? {
        Err(KafkaError::PartitionEOF(0)) => Some(()),
        other => panic!("{other:?}"),
    });
    send(&topic, 0, &["later".into()]);
    let next = take(&latest, 1);
    assert_eq!(next, ["later"]);
}

#[test]
fn offsets_are_found_by_time() {
    let topic = new_topic(1);
    let producer: ThreadedProducer<DefaultProducerContext> =
        config(bootstrap(), &[]).create().unwrap();
    for number in 0..5 {
        let record = BaseRecord::<(), str>::to(&topic)
            .payload("v")
            .timestamp(1_600_000_000_000 + number * 1000);
        producer.send(record).map_err(|e| e.0).unwrap();
    }
    producer.flush(SOON).unwrap();
    let consumer = reader(bootstrap(), &topic, Offset::Beginning);
    let at = |time: i64| {
        let mut asked = TopicPartitionList::new();
        asked
            .add_partition_offset(&topic, 0, Offset::Offset(time))
            .unwrap();
        let found = consumer.offsets_for_times(asked, SOON).unwrap();
        found.find_partition(&topic, 0).unwrap().offset()
    };
    assert_eq!(at(1_600_000_000_000), Offset::Offset(0));
    assert_eq!(at(1_600_000_001_001), Offset::Offset(2));
    assert_eq!(at(1_600_000_004_001), Offset::End);
}

#[test]
fn a_group_goes_on_from_its_commit() {
    let (topic, group, values) = (new_topic(1), unique("group"), numbered("v", 10));
    send(&topic, 0, &values);
    let first = member(&group, &topic);
    let mut seen = 0;
    let fourth = until("four records", || {
        let message = first.poll(POLL)?.unwrap();
        seen += 1;
        (seen == 4).then(|| message.detach())
    });
    let mut reached = TopicPartitionList::new();
    reached
        .add_partition_offset(&topic, 0, Offset::Offset(fourth.offset() + 1))
        .unwrap();
    first.commit(&reached, CommitMode::Sync).unwrap();
    drop(first); // leaves the group
    let second = member(&group, &topic);
    assert_eq!(take(&second, 6), values[4..]);
    let kept = second.committed(SOON).unwrap();
    assert_eq!(
        kept.find_partition(&topic, 0).unwrap().offset(),
        Offset::Offset(4)
    );
}

#[test]
fn a_second_member_takes_its_share() {
    let (topic, group) = (new_topic(4), unique("group"));
    let (first, second) = (member(&group, &topic), member(&group, &topic));
    let share = |count: usize, members: &[&BaseConsumer]| {
        until(&format!("each has {count} partitions"), || {
            for one in members {
                assert!(one.poll(POLL).is_none_or(|got| got.is_ok()));
            }
            let shares: Vec<_> = members.iter().map(|one| partitions_of(one)).collect();
            let all: BTreeSet<i32> = shares.iter().flatten().copied().collect();
            (shares.iter().all(|one| one.len() == count) && all.len() == 4).then_some(())
        })
    };
    share(2, &[&first, &second]);
    drop(second);
    share(4, &[&first]);
}

#[test]
fn admin_makes_changes_and_deletes_topics() {
    let (topic, options) = (
        new_topic(1),
        AdminOptions::new().operation_timeout(Some(SOON)),
    );
    let client = admin(bootstrap());
    let more =
        block_on(client.create_partitions(&[NewPartitions::new(&topic, 3)], &options)).unwrap();
    assert_eq!(more, vec![Ok(topic.clone())]);
    let found =
        block_on(client.describe_configs(&[ResourceSpecifier::Topic(&topic)], &options)).unwrap();
    let settings = found[0].as_ref().unwrap();
    assert_eq!(
        settings.get("cleanup.policy").unwrap().value.as_deref(),
        Some("delete")
    );
    until("three partitions", || {
        let told = client.inner().fetch_metadata(Some(&topic), SOON).unwrap();
        (told.topics()[0].partitions().len() == 3).then_some(())
    });
    assert_eq!(
        block_on(client.delete_topics(&[&topic], &options)).unwrap(),
        vec![Ok(topic.clone())]
    );
    let again = block_on(client.delete_topics(&[&topic], &options)).unwrap();
    assert_eq!(
        again,
        vec![Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]
    );
}

#[test]
fn a_record_over_the_limit_is_refused() {
    let topic = new_topic(1);
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> =
        config(bootstrap(), &[("message.max.bytes", "4000000")])
            .create_with_context(deliveries.clone())
            .unwrap();
    producer
        .send(BaseRecord::<(), _>::to(&topic).payload(&vec![b'x'; 2_000_000]))
        .map_err(|e| e.0)
        .unwrap();
    producer.flush(SOON).unwrap();
    assert_eq!(
        *deliveries.0.lock().unwrap(),
        [Err(RDKafkaErrorCode::MessageSizeTooLarge)]
    );
}

#[test]
fn clients_go_on_when_the_broker_is_killed_and_comes_back() {
    if std::env::var("KWIRE_TEST_BOOTSTRAP").is_ok() {
        eprintln!("left out: the broker is given by address");
        return;
    }
    let data = std::env::temp_dir().join(unique("kwire-compat-rust"));
    let served = Served::start(0, Some(&data));
    let (bootstrap, port) = (served.bootstrap.clone(), served.port());
    let topic = new_topic_at(&bootstrap, 1);
    let settings = [
        ("enable.idempotence", "true"),
        ("reconnect.backoff.max.ms", "500"),
    ];
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> = config(&bootstrap, &settings)
        .create_with_context(deliveries.clone())
        .unwrap();
    let send = |value: &str| {
        producer
            .send(BaseRecord::<(), str>::to(&topic).payload(value))
            .map_err(|e| e.0)
            .unwrap()
    };
    send("before");
    producer.flush(SOON).unwrap();
    let consumer = reader(&bootstrap, &topic, Offset::Beginning);
    assert_eq!(take(&consumer, 1), ["before"]);
    served.kill();
    send("after");
    let served = Served::start(port, Some(&data));
    producer.flush(SOON).unwrap();
    assert_eq!(*deliveries.0.lock().unwrap(), [Ok((0, 0)), Ok((0, 1))]);
    let next = until("the next record", || match consumer.poll(POLL) {
        Some(Ok(message)) => Some(text(&message)),
        // The end of the partition, and connections that fail meanwhile.
        Some(Err(KafkaError::PartitionEOF(_) | KafkaError::MessageConsumption(_))) | None => None,
        Some(Err(other)) => panic!("{other}"),
    });
    assert_eq!(next, "after");
    drop(served);
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn transactions() {
    let topic = new_topic(1);
    let id = unique("tx");
    let producer: ThreadedProducer<DefaultProducerContext> =
        config(bootstrap(), &[("transactional.id", &id)])
            .create()
            .unwrap();
    producer.init_transactions(SOON).unwrap();
    producer.begin_transaction().unwrap();
    producer
        .send(BaseRecord::<(), str>::to(&topic).payload("v"))
        .map_err(|e| e.0)
        .unwrap();
    producer.commit_transaction(SOON).unwrap();
    assert_eq!(
        take(&reader(bootstrap(), &topic, Offset::Beginning), 1),
        ["v"]
    );
}
