import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.Time;

/**
 * Writes what the record classes of kafka-clients 3.9.2 (the last with magic 0 and 1) make of known records:
 * every magic, codec and timestamp type, down-conversions, control batches. A line a vector: name, base64.
 * tests/codecs/records/golden.py states the same records in Python.
 */
public class GoldenRecords {
    static final long BASE_OFFSET = 100;
    static final long APPEND_TIME = 1_700_000_009_999L;
    static PrintStream out;

    static void emit(String name, ByteBuffer bytes) {
        byte[] content = new byte[bytes.remaining()];
        bytes.duplicate().get(content);
        out.println(name + " " + Base64.getEncoder().encodeToString(content));
    }

    static byte[] utf8(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    /** Numbered words: something to compress, and several blocks of any codec to fill. */
    static byte[] prose(int size) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; text.length() < size; i++) text.append("word").append(i * i % 97).append(' ');
        return utf8(text.substring(0, size));
    }

    static void append(MemoryRecordsBuilder builder, int magic, long offset, long timestamp, String key, byte[] value,
                       Header... headers) {
        Header[] kept = magic < 2 ? new Header[0] : headers;
        ByteBuffer k = key == null ? null : ByteBuffer.wrap(utf8(key));
        ByteBuffer v = value == null ? null : ByteBuffer.wrap(value);
        builder.appendWithOffset(offset, magic == 0 ? RecordBatch.NO_TIMESTAMP : timestamp, k, v, kept);
    }

    static MemoryRecordsBuilder builder(int magic, CompressionType codec, TimestampType type) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 19), (byte) magic, Compression.of(codec).build(), type,
            BASE_OFFSET, APPEND_TIME, RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH,
            RecordBatch.NO_SEQUENCE, false, magic == 2 ? 5 : RecordBatch.NO_PARTITION_LEADER_EPOCH);
    }

    static MemoryRecords small(int magic, CompressionType codec, TimestampType type) {
        MemoryRecordsBuilder builder = builder(magic, codec, type);
        append(builder, magic, 100, 1_700_000_000_000L, "key-0", utf8("value-0"));
        append(builder, magic, 101, 1_700_000_000_007L, null, utf8("no key"),
            new RecordHeader("trace", utf8("abc")), new RecordHeader("nothing", (byte[]) null), new RecordHeader("", utf8("")));
        append(builder, magic, 102, 1_699_999_999_000L, "tombstone", null);
        append(builder, magic, 103, 1_700_000_001_234L, "", utf8(""));
        append(builder, magic, 104, 1_700_000_000_100L, "ключ", prose(300));
        return builder.build();
    }

    static MemoryRecords large(int magic, CompressionType codec) {
        MemoryRecordsBuilder builder = builder(magic, codec, TimestampType.CREATE_TIME);
        append(builder, magic, 100, 1_700_000_000_000L, "large", prose(150_000));
        append(builder, magic, 101, 1_700_000_000_001L, "after", utf8("the large one"));
        return builder.build();
    }

    public static void main(String[] args) throws Exception {
        out = new PrintStream(Files.newOutputStream(Path.of(args[0])), false, StandardCharsets.UTF_8);
        for (int magic = 0; magic <= 2; magic++)
            for (CompressionType codec : List.of(CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY,
                                                 CompressionType.LZ4, CompressionType.ZSTD)) {
                if (magic < 2 && codec == CompressionType.ZSTD) continue;
                String name = "magic" + magic + "-" + codec.name;
                emit(name + "-create", small(magic, codec, TimestampType.CREATE_TIME).buffer());
                if (magic > 0) emit(name + "-append", small(magic, codec, TimestampType.LOG_APPEND_TIME).buffer());
                if (codec != CompressionType.NONE) emit(name + "-large", large(magic, codec).buffer());
                if (magic < 2) continue;
                for (TimestampType type : List.of(TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME))
                    for (byte to = 0; to <= 1 && codec != CompressionType.ZSTD; to++) {
                        String kind = type == TimestampType.CREATE_TIME ? "create" : "append";
                        MemoryRecords down = small(2, codec, type).downConvert(to, 102, Time.SYSTEM).records();
                        emit("down-" + codec.name + "-" + kind + "-to" + to + "-from102", down.buffer());
                    }
            }
        MemoryRecordsBuilder idempotent = MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, Compression.NONE,
            TimestampType.CREATE_TIME, 0, RecordBatch.NO_TIMESTAMP, 4321, (short) 3, 2147483646, true, 9);
        for (int i = 0; i < 3; i++) append(idempotent, 2, i, 1_700_000_000_000L + i, "k", utf8("v" + i));
        emit("transactional", idempotent.build().buffer());
        for (ControlRecordType type : List.of(ControlRecordType.ABORT, ControlRecordType.COMMIT))
            emit("marker-" + type.name().toLowerCase(), MemoryRecords.withEndTransactionMarker(
                77, 1_700_000_000_000L, 9, 4321, (short) 3, new EndTransactionMarker(type, 12)).buffer());
        List<LeaderChangeMessage.Voter> voters = List.of(new LeaderChangeMessage.Voter().setVoterId(1));
        emit("leader-change", MemoryRecords.withLeaderChangeMessage(0, 1_700_000_000_000L, 9, ByteBuffer.allocate(256),
            new LeaderChangeMessage().setLeaderId(1).setVoters(voters).setGrantingVoters(voters)).buffer());
        emit("snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0, 1_700_000_000_000L, 9, ByteBuffer.allocate(256),
            new SnapshotHeaderRecord().setLastContainedLogTimestamp(1_699_000_000_000L)).buffer());
        emit("snapshot-footer", MemoryRecords.withSnapshotFooterRecord(0, 1_700_000_000_000L, 9, ByteBuffer.allocate(256),
            new SnapshotFooterRecord()).buffer());
        emit("kraft-version", MemoryRecords.withKRaftVersionRecord(0, 1_700_000_000_000L, 9, ByteBuffer.allocate(256),
            new KRaftVersionRecord().setKRaftVersion((short) 1)).buffer());
        emit("kraft-voters", MemoryRecords.withVotersRecord(0, 1_700_000_000_000L, 9, ByteBuffer.allocate(256),
            new VotersRecord().setVoters(new ArrayList<>())).buffer());
        out.close();
    }
}
