package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class AdminTest {
    private static Admin admin;

    @BeforeAll
    static void connect() {
        admin = Kit.admin();
    }

    @AfterAll
    static void close() {
        admin.close();
    }

    private static boolean isListed(String topic) throws Exception {
        return Kit.get(admin.listTopics().names()).contains(topic);
    }

    private static ConfigEntry setting(ConfigResource.Type type, String of, String name) throws Exception {
        ConfigResource resource = new ConfigResource(type, of);
        Config config = Kit.get(admin.describeConfigs(Set.of(resource)).all()).get(resource);
        return config.get(name);
    }

    private static void change(ConfigResource.Type type, String of, AlterConfigOp.OpType does, String name, String to)
        throws Exception {
        Kit.get(admin.incrementalAlterConfigs(Map.of(
            new ConfigResource(type, of), List.of(new AlterConfigOp(new ConfigEntry(name, to), does)))).all());
    }

    @Test
    void topicsAreMadeDescribedAndDeleted() throws Exception {
        String topic = Kit.fresh("topic");
        CreateTopicsResult made =
            admin.createTopics(Set.of(new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "1000"))));
        Kit.get(made.all());
        assertEquals(3, Kit.get(made.numPartitions(topic)));
        assertEquals("1000", Kit.get(made.config(topic)).get("retention.ms").value());
        Kit.until(() -> isListed(topic), "the topic is listed");
        TopicDescription described = Kit.describe(admin, topic);
        assertEquals(3, described.partitions().size());
        assertEquals(1, described.partitions().get(2).isr().size());
        assertFalse(described.isInternal());
        Kit.get(admin.deleteTopics(Set.of(topic)).all());
        Kit.until(() -> !isListed(topic), "the topic is gone");
    }

    @Test
    void topicsThatCantBeAreRefused() throws Exception {
        String topic = Kit.topic(1);
        assertInstanceOf(
            TopicExistsException.class,
            Kit.failure(admin.createTopics(Set.of(new NewTopic(topic, 1, (short) 1))).all()));
        assertInstanceOf(
            InvalidTopicException.class,
            Kit.failure(admin.createTopics(Set.of(new NewTopic("not a topic", 1, (short) 1))).all()));
        assertInstanceOf(
            InvalidReplicationFactorException.class,
            Kit.failure(admin.createTopics(Set.of(new NewTopic(Kit.fresh("t"), 1, (short) 9))).all()));
        assertInstanceOf(
            InvalidPartitionsException.class,
            Kit.failure(admin.createTopics(Set.of(new NewTopic(Kit.fresh("t"), 0, (short) 1))).all()));
        assertInstanceOf(
            InvalidConfigurationException.class,
            Kit.failure(admin.createTopics(
                Set.of(new NewTopic(Kit.fresh("t"), 1, (short) 1).configs(Map.of("no.such", "1")))).all()));
        assertInstanceOf(
            UnknownTopicOrPartitionException.class,
            Kit.failure(admin.deleteTopics(Set.of(Kit.fresh("absent"))).all()));
    }

    @Test
    void validationMakesNothing() throws Exception {
        String topic = Kit.fresh("topic");
        Kit.get(admin.createTopics(
            Set.of(new NewTopic(topic, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all());
        assertFalse(isListed(topic));
    }

    @Test
    void partitionsAreAdded() throws Exception {
        String topic = Kit.topic(1);
        Kit.get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        Kit.until(() -> Kit.describe(admin, topic).partitions().size() == 4, "four partitions");
        assertInstanceOf(
            InvalidPartitionsException.class,
            Kit.failure(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all()));
    }

    @Test
    void aTopicsSettingsChangeOneByOne() throws Exception {
        String topic = Kit.topic(1);
        ConfigResource.Type type = ConfigResource.Type.TOPIC;
        change(type, topic, AlterConfigOp.OpType.SET, "retention.ms", "5000");
        Kit.until(() -> setting(type, topic, "retention.ms").value().equals("5000"), "it is set");
        assertEquals(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, setting(type, topic, "retention.ms").source());
        change(type, topic, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
        Kit.until(() -> setting(type, topic, "cleanup.policy").value().equals("delete,compact"), "it is appended");
        change(type, topic, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "delete");
        Kit.until(() -> setting(type, topic, "cleanup.policy").value().equals("compact"), "it is taken out");
        change(type, topic, AlterConfigOp.OpType.DELETE, "retention.ms", "");
        Kit.until(() -> setting(type, topic, "retention.ms").isDefault(), "it is the default");
    }

    @Test
    void aBrokersSettingsAreReadAndChanged() throws Exception {
        ConfigResource.Type type = ConfigResource.Type.BROKER;
        String id = Kit.get(admin.describeCluster().nodes()).iterator().next().idString();
        assertTrue(setting(type, id, "node.id").isReadOnly());
        change(type, id, AlterConfigOp.OpType.SET, "message.max.bytes", "1048600");
        Kit.until(() -> setting(type, id, "message.max.bytes").value().equals("1048600"), "it is set");
        change(type, id, AlterConfigOp.OpType.DELETE, "message.max.bytes", "");
        Kit.until(() -> setting(type, id, "message.max.bytes").value().equals("1048588"), "it is the default");
    }

    @Test
    void theClusterIsDescribed() throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        assertEquals(1, Kit.get(cluster.nodes()).size());
        assertTrue(Kit.get(cluster.controller()).id() >= 0);
        assertEquals(Kit.get(cluster.clusterId()), Kit.get(admin.describeCluster().clusterId()));
    }

    @Test
    void logDirectoriesAreDescribed() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 10);
        int id = Kit.get(cluster()).iterator().next().id();
        Object result = admin.describeLogDirs(Set.of(id));
        Map<?, ?> all = (Map<?, ?>) Kit.get((KafkaFuture<?>) Kit.first(result, "allDescriptions", "all"));
        Map<?, ?> directories = (Map<?, ?>) all.get(id);
        assertFalse(directories.isEmpty());
    }

    private static KafkaFuture<java.util.Collection<org.apache.kafka.common.Node>> cluster() {
        return admin.describeCluster().nodes();
    }

    @Test
    void offsetsAreListed() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 7);
        TopicPartition partition = new TopicPartition(topic, 0);
        assertEquals(7, offset(partition, OffsetSpec.latest()).offset());
        assertEquals(0, offset(partition, OffsetSpec.earliest()).offset());
        assertEquals(0, offset(partition, OffsetSpec.forTimestamp(1)).offset());
        assertEquals(-1, offset(partition, OffsetSpec.forTimestamp(Long.MAX_VALUE)).offset());
    }

    private static ListOffsetsResult.ListOffsetsResultInfo offset(TopicPartition partition, OffsetSpec spec)
        throws Exception {
        return Kit.get(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition));
    }

    @Test
    void recordsAreDeleted() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 10);
        TopicPartition partition = new TopicPartition(topic, 0);
        assertEquals(4, deleteBefore(partition, 4));
        assertEquals(4, offset(partition, OffsetSpec.earliest()).offset());
        Throwable refusal = Kit.failure(
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(99))).all());
        assertInstanceOf(OffsetOutOfRangeException.class, refusal);
        assertEquals(10, deleteBefore(partition, -1));
    }

    private static long deleteBefore(TopicPartition partition, long offset) throws Exception {
        return Kit.get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(offset)))
            .lowWatermarks().get(partition)).lowWatermark();
    }

    @Test
    void aGroupsOffsetsAreWrittenReadAndDeleted() throws Exception {
        String topic = Kit.topic(2);
        String group = Kit.fresh("group");
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        Kit.get(admin.alterConsumerGroupOffsets(
            group, Map.of(first, new OffsetAndMetadata(3), second, new OffsetAndMetadata(4, "four"))).all());
        Map<TopicPartition, OffsetAndMetadata> kept =
            Kit.get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        assertEquals(3, kept.get(first).offset());
        assertEquals("four", kept.get(second).metadata());
        assertTrue(Kit.get(admin.listConsumerGroups().all()).stream().anyMatch(each -> each.groupId().equals(group)));
        Kit.get(admin.deleteConsumerGroupOffsets(group, Set.of(first)).all());
        assertEquals(
            Set.of(second), Kit.get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).keySet());
        Kit.get(admin.deleteConsumerGroups(Set.of(group)).all());
        assertInstanceOf(
            GroupIdNotFoundException.class, Kit.failure(admin.deleteConsumerGroups(Set.of(group)).all()));
    }

    @Test
    void leadersNeedNoElection() throws Exception {
        TopicPartition partition = new TopicPartition(Kit.topic(1), 0);
        Map<TopicPartition, Optional<Throwable>> told =
            Kit.get(admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).partitions());
        assertEquals(ElectionNotNeededException.class, told.get(partition).orElseThrow().getClass());
    }

    @Test
    void partitionsAreReassigned() throws Exception {
        TopicPartition partition = new TopicPartition(Kit.topic(1), 0);
        List<Integer> nodes = new ArrayList<>();
        Kit.get(admin.describeCluster().nodes()).forEach(node -> nodes.add(node.id()));
        Map<TopicPartition, Optional<NewPartitionReassignment>> moves = new HashMap<>();
        moves.put(partition, Optional.of(new NewPartitionReassignment(nodes)));
        Kit.get(admin.alterPartitionReassignments(moves).all());
        Kit.until(
            () -> Kit.get(admin.listPartitionReassignments().reassignments()).isEmpty(), "all is where it should be");
    }
}
