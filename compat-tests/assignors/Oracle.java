import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.FencedMemberEpochException;
import org.apache.kafka.common.message.ConsumerGroupHeartbeatRequestData;
import org.apache.kafka.common.utils.internals.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataDelta;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataImage;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.PartitionAssignorException;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupTargetAssignmentMemberKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupTargetAssignmentMemberValue;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberState;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;
import org.apache.kafka.coordinator.group.modern.SubscribedTopicDescriberImpl;
import org.apache.kafka.coordinator.group.modern.TargetAssignmentBuilder;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember;
import org.apache.kafka.coordinator.group.modern.consumer.CurrentAssignmentBuilder;
import org.apache.kafka.coordinator.group.modern.consumer.ResolvedRegularExpression;
import org.apache.kafka.coordinator.group.util.UpdatedMembersAndTargetAssignmentView;
import org.apache.kafka.timeline.SnapshotRegistry;
import org.apache.kafka.timeline.TimelineHashMap;

/**
 * Answers with Kafka's own classes what README.md describes: one case a line on standard input, its answer a line on
 * standard output. Topics of a case are named by their place in its list; the order of members, topics and partitions
 * in an answer is that in which Kafka walks them.
 */
public class Oracle {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer;
            try {
                answer = answer(JSON.readTree(line));
            } catch (PartitionAssignorException | IndexOutOfBoundsException e) {
                answer = JSON.createObjectNode().put("error", e.getClass().getSimpleName());
            }
            out.println(answer);
        }
    }

    private static ObjectNode answer(JsonNode question) {
        return switch (question.get("kind").asText()) {
            case "assign" -> new Case(question).assign();
            case "target" -> new Case(question).target();
            case "reconcile" -> new Case(question).reconcile();
            case "regex" -> regex(question);
            default -> throw new IllegalArgumentException(question.toString());
        };
    }

    private static ObjectNode regex(JsonNode question) {
        ArrayNode results = JSON.createArrayNode();
        for (JsonNode expression : question.get("expressions")) {
            try {
                Pattern pattern = Pattern.compile(expression.asText());
                ArrayNode matches = results.addArray();
                for (JsonNode name : question.get("names")) {
                    if (pattern.matcher(name.asText()).matches()) {
                        matches.add(name.asText());
                    }
                }
            } catch (PatternSyntaxException e) {
                results.add(e.getDescription());
            } catch (RuntimeException e) {
                results.addNull();
            }
        }
        return JSON.createObjectNode().set("results", results);
    }

    private record Topic(String name, Uuid id, int partitionCount) implements CoordinatorMetadataImage.TopicMetadata {
        @Override
        public List<String> partitionRacks(int partitionId) {
            return List.of();
        }
    }

    private static final class Case implements CoordinatorMetadataImage {
        private final JsonNode question;
        private final List<Topic> topics = new ArrayList<>();
        private final Map<Uuid, Integer> places = new HashMap<>();
        private final Map<String, ResolvedRegularExpression> resolved = new HashMap<>();

        Case(JsonNode question) {
            this.question = question;
            for (JsonNode topic : question.get("topics")) {
                java.util.UUID id = java.util.UUID.fromString(topic.get(1).asText());
                Uuid kafkaId = new Uuid(id.getMostSignificantBits(), id.getLeastSignificantBits());
                places.put(kafkaId, topics.size());
                topics.add(new Topic(topic.get(0).asText(), kafkaId, topic.get(2).asInt()));
            }
            if (question.has("resolved")) {
                question.get("resolved").properties().forEach(each -> resolved.put(
                    each.getKey(), new ResolvedRegularExpression(new java.util.HashSet<>(texts(each.getValue())), 1, 1)));
            }
        }

        // What is asked

        ObjectNode assign() {
            Map<String, MemberSubscriptionAndAssignmentImpl> members = new LinkedHashMap<>();
            for (JsonNode member : question.get("members")) {
                Set<Uuid> subscribed = new LinkedHashSet<>();
                member.get(2).forEach(place -> subscribed.add(topics.get(place.asInt()).id()));
                members.put(member.get(0).asText(), new MemberSubscriptionAndAssignmentImpl(
                    Optional.empty(), Optional.ofNullable(text(member.get(1))), subscribed, assignment(member.get(3))));
            }
            GroupAssignment assigned = assignor().assign(
                new GroupSpecImpl(members, subscriptionType(), inverted(question.get("assigned"))),
                new SubscribedTopicDescriberImpl(this));
            ObjectNode result = JSON.createObjectNode();
            for (String memberId : members.keySet()) {
                if (assigned.members().containsKey(memberId)) {
                    result.set(memberId, partitions(assigned.members().get(memberId).partitions()));
                }
            }
            return JSON.createObjectNode().set("members", result);
        }

        ObjectNode target() {
            SnapshotRegistry registry = new SnapshotRegistry(new LogContext());
            Map<String, ConsumerGroupMember> members = new TimelineHashMap<>(registry, 0);
            Map<String, String> statics = new HashMap<>();
            for (JsonNode each : question.get("members")) {
                ConsumerGroupMember member = member(each);
                members.put(member.memberId(), member);
                if (member.instanceId() != null) {
                    statics.put(member.instanceId(), member.memberId());
                }
            }
            Map<String, Assignment> targets = new HashMap<>();
            Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
            question.get("target").properties().forEach(each -> {
                targets.put(each.getKey(), assignment(each.getValue()));
                targets.get(each.getKey()).partitions().forEach((id, partitions) -> partitions.forEach(
                    partition -> inverted.computeIfAbsent(id, any -> new HashMap<>()).put(partition, each.getKey())));
            });
            UpdatedMembersAndTargetAssignmentView<ConsumerGroupMember, Assignment> view =
                new UpdatedMembersAndTargetAssignmentView<>(members, statics, targets, ConsumerGroupMember::instanceId);
            question.get("updated").forEach(each -> view.addOrUpdateMember(each.get(0).asText(), member(each)));
            question.get("removed").forEach(each -> view.removeMember(each.asText()));
            List<CoordinatorRecord> records =
                new TargetAssignmentBuilder.ConsumerTargetAssignmentBuilder("group", 2, assignor())
                    .withTime(Time.SYSTEM)
                    .withMembers(view.members())
                    .withSubscriptionType(subscriptionType())
                    .withTargetAssignment(view.targetAssignment())
                    .withInvertedTargetAssignment(inverted)
                    .withMetadataImage(this)
                    .withResolvedRegularExpressions(resolved)
                    .build()
                    .records();
            ArrayNode result = JSON.createArrayNode();
            for (CoordinatorRecord each : records.subList(0, records.size() - 1)) {
                ArrayNode pair = result.addArray();
                pair.add(((ConsumerGroupTargetAssignmentMemberKey) each.key()).memberId());
                ArrayNode all = pair.addArray();
                ((ConsumerGroupTargetAssignmentMemberValue) each.value().message()).topicPartitions().forEach(topic -> {
                    ArrayNode one = all.addArray().add(places.get(topic.topicId()));
                    topic.partitions().forEach(one.addArray()::add);
                });
            }
            return JSON.createObjectNode().set("records", result);
        }

        ObjectNode reconcile() {
            JsonNode before = question.get("member");
            ConsumerGroupMember member = new ConsumerGroupMember.Builder("m")
                .setState(MemberState.fromValue((byte) before.get("state").asInt()))
                .setMemberEpoch(before.get("epoch").asInt())
                .setPreviousMemberEpoch(before.get("previous").asInt())
                .setSubscribedTopicNames(texts(before.get("names")))
                .setSubscribedTopicRegex(text(before.get("regex")))
                .setAssignedPartitions(epochs(before.get("assigned")))
                .setPartitionsPendingRevocation(epochs(before.get("revoked")))
                .build();
            List<ConsumerGroupHeartbeatRequestData.TopicPartitions> owned = null;
            if (!question.get("owned").isNull()) {
                owned = new ArrayList<>();
                for (JsonNode each : question.get("owned")) {
                    owned.add(new ConsumerGroupHeartbeatRequestData.TopicPartitions()
                        .setTopicId(topics.get(each.get(0).asInt()).id())
                        .setPartitions(numbers(each.get(1))));
                }
            }
            Map<Uuid, Map<Integer, Integer>> held = epochs(question.get("held"));
            ConsumerGroupMember after;
            try {
                after = new CurrentAssignmentBuilder(member)
                    .withMetadataImage(this)
                    .withTargetAssignment(question.get("target_epoch").asInt(), assignment(question.get("target")))
                    .withHasSubscriptionChanged(question.get("changed").asBoolean())
                    .withResolvedRegularExpressions(resolved)
                    .withCurrentPartitionEpoch((id, partition) ->
                        held.getOrDefault(id, Map.of()).getOrDefault(partition, -1))
                    .withOwnedTopicPartitions(owned)
                    .build();
            } catch (FencedMemberEpochException e) {
                return JSON.createObjectNode().put("fenced", e.getMessage());
            }
            ObjectNode result = JSON.createObjectNode();
            result.put("state", after.state().value());
            result.put("epoch", after.memberEpoch());
            result.put("previous", after.previousMemberEpoch());
            result.set("assigned", sorted(after.assignedPartitions()));
            result.set("revoked", sorted(after.partitionsPendingRevocation()));
            return result;
        }

        // Reading

        private ConsumerGroupPartitionAssignor assignor() {
            return question.get("assignor").asText().equals("range") ? new RangeAssignor() : new UniformAssignor();
        }

        private SubscriptionType subscriptionType() {
            return question.get("homogeneous").asBoolean() ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        }

        private static ConsumerGroupMember member(JsonNode member) {
            return new ConsumerGroupMember.Builder(member.get(0).asText())
                .setInstanceId(text(member.get(1)))
                .setSubscribedTopicNames(texts(member.get(2)))
                .setSubscribedTopicRegex(text(member.get(3)))
                .build();
        }

        private Assignment assignment(JsonNode node) {
            ConsumerGroupTargetAssignmentMemberValue record = new ConsumerGroupTargetAssignmentMemberValue();
            for (JsonNode each : node) {
                record.topicPartitions().add(new ConsumerGroupTargetAssignmentMemberValue.TopicPartition()
                    .setTopicId(topics.get(each.get(0).asInt()).id())
                    .setPartitions(numbers(each.get(1))));
            }
            return Assignment.fromRecord(record);
        }

        private Map<Uuid, Map<Integer, String>> inverted(JsonNode node) {
            Map<Uuid, Map<Integer, String>> result = new HashMap<>();
            assignment(node).partitions().forEach((id, partitions) -> partitions.forEach(
                partition -> result.computeIfAbsent(id, any -> new HashMap<>()).put(partition, "any")));
            return result;
        }

        private Map<Uuid, Map<Integer, Integer>> epochs(JsonNode node) {
            Map<Uuid, Map<Integer, Integer>> result = new HashMap<>();
            for (JsonNode each : node) {
                Map<Integer, Integer> partitions = new HashMap<>();
                each.get(1).forEach(pair -> partitions.put(pair.get(0).asInt(), pair.get(1).asInt()));
                result.put(topics.get(each.get(0).asInt()).id(), partitions);
            }
            return result;
        }

        // Writing

        private ArrayNode partitions(Map<Uuid, Set<Integer>> assignment) {
            ArrayNode result = JSON.createArrayNode();
            assignment.forEach((id, partitions) ->
                partitions.forEach(result.addArray().add(places.get(id)).addArray()::add));
            return result;
        }

        private ArrayNode sorted(Map<Uuid, Map<Integer, Integer>> owned) {
            Map<Integer, Map<Integer, Integer>> byPlace = new TreeMap<>();
            owned.forEach((id, partitions) -> byPlace.put(places.get(id), new TreeMap<>(partitions)));
            ArrayNode result = JSON.createArrayNode();
            byPlace.forEach((place, partitions) -> {
                ArrayNode pairs = result.addArray().add(place).addArray();
                partitions.forEach((partition, epoch) -> pairs.addArray().add(partition).add(epoch));
            });
            return result;
        }

        // The cluster's metadata. A topic of less than no partitions is none.

        @Override
        public Set<Uuid> topicIds() {
            return places.keySet();
        }

        @Override
        public Set<String> topicNames() {
            Set<String> names = new LinkedHashSet<>();
            topics.forEach(topic -> names.add(topic.name()));
            return names;
        }

        @Override
        public Optional<TopicMetadata> topicMetadata(String topicName) {
            return find(topic -> topic.name().equals(topicName));
        }

        @Override
        public Optional<TopicMetadata> topicMetadata(Uuid topicId) {
            return find(topic -> topic.id().equals(topicId));
        }

        private Optional<TopicMetadata> find(java.util.function.Predicate<Topic> condition) {
            return topics.stream()
                .filter(condition.and(topic -> topic.partitionCount() >= 0))
                .map(topic -> (TopicMetadata) topic)
                .findFirst();
        }

        @Override
        public CoordinatorMetadataDelta emptyDelta() {
            return CoordinatorMetadataDelta.EMPTY;
        }

        @Override
        public long version() {
            return 1;
        }

        @Override
        public boolean isEmpty() {
            return topics.isEmpty();
        }
    }

    private static String text(JsonNode node) {
        return node.isNull() ? null : node.asText();
    }

    private static List<String> texts(JsonNode node) {
        List<String> result = new ArrayList<>();
        node.forEach(each -> result.add(each.asText()));
        return result;
    }

    private static List<Integer> numbers(JsonNode node) {
        List<Integer> result = new ArrayList<>();
        node.forEach(each -> result.add(each.asInt()));
        return result;
    }
}
