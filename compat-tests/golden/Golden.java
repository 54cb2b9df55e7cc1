import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * Has Kafka's own generated classes write every version of every message, and says what it put into them.
 *
 * <p>usage: java -cp 'all the jars' Golden.java OUT.jsonl.gz JAR PACKAGE [JAR PACKAGE ...]
 *
 * <p>One line a message, version and variant: its class, the version, the bytes in hex and the values by Kafka's names.
 * Variant "full" gives every field that the version has a value that is not its default (checked here, by comparison
 * with a fresh object) and every struct of a flexible version an unknown tagged field; "nulls" is the same with null
 * wherever null may be sent; "default" is the object as its constructor leaves it. What a version has is read from
 * the class's own Schema for that version. Before anything is written, Kafka reads its bytes back and compares.
 */
public class Golden {
    private enum Variant { full, nulls, standard }

    private static final int UNKNOWN_TAG = 5000;
    private static final Set<Integer> BROKER_TO_BROKER = Set.of(4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82);
    private static int counter;
    private static boolean keepRecords;

    public static void main(String[] arguments) throws Exception {
        int lines = 0;
        try (Writer out = new OutputStreamWriter(
                new GZIPOutputStream(Files.newOutputStream(Path.of(arguments[0]))), StandardCharsets.UTF_8)) {
            for (int i = 1; i < arguments.length; i += 2) {
                for (Class<?> type : messages(arguments[i], arguments[i + 1])) {
                    lines += write(type, out);
                }
            }
        }
        System.out.println(lines + " lines in " + arguments[0]);
    }

    /** The classes in a package of a jar that are messages of their own, in order of their names. */
    private static List<Class<?>> messages(String jar, String packageName) throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        String folder = packageName.replace('.', '/') + "/";
        try (JarFile file = new JarFile(jar)) {
            for (var entry : (Iterable<java.util.jar.JarEntry>) file.stream()::iterator) {
                String name = entry.getName();
                if (name.startsWith(folder) && name.endsWith(".class") && !name.contains("$")
                        && !name.contains("Json") && name.indexOf('/', folder.length()) < 0) {
                    Class<?> type = Class.forName(name.substring(0, name.length() - 6).replace('/', '.'));
                    if (Message.class.isAssignableFrom(type) && !type.isInterface()) {
                        found.put(type.getSimpleName(), type);
                    }
                }
            }
        }
        return new ArrayList<>(found.values());
    }

    private static int write(Class<?> type, Writer out) throws Exception {
        Message sample = (Message) type.getDeclaredConstructor().newInstance();
        if (sample instanceof ApiMessage api && BROKER_TO_BROKER.contains((int) api.apiKey())
                && type.getPackageName().endsWith(".message")) {
            return 0;
        }
        int lines = 0;
        for (short version = sample.lowestSupportedVersion(); version <= sample.highestSupportedVersion(); version++) {
            for (int variantIndex = 0; variantIndex < Variant.values().length; variantIndex++) {
                Variant variant = Variant.values()[variantIndex];
                counter = 0;
                boolean[] usedNull = new boolean[1];
                Map<String, Object> values = new HashMap<>();
                Message message = (Message) fill(type, version, variant, values, usedNull);
                if (variant == Variant.nulls && !usedNull[0]) {
                    continue;
                }
                byte[] bytes;
                try {
                    bytes = serialize(message, version);
                } catch (NullPointerException e) {
                    if (variant == Variant.standard) {
                        continue; // the default is null and this version can't send null
                    }
                    if (variant == Variant.nulls && !keepRecords) {
                        keepRecords = true; // the Schema calls all records nullable, and these are not
                        variantIndex--;
                        continue;
                    }
                    throw e;
                }
                keepRecords = false;
                Message again = (Message) type.getDeclaredConstructor().newInstance();
                again.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), version);
                if (variant != Variant.standard && !again.equals(message)) {
                    throw new IllegalStateException(type + " v" + version + " " + variant + " does not come back");
                }
                StringBuilder line = new StringBuilder("{\"name\":\"" + type.getSimpleName() + "\",\"version\":" + version);
                line.append(",\"variant\":\"").append(variant == Variant.standard ? "default" : variant).append('"');
                line.append(",\"key\":").append(message instanceof ApiMessage m ? m.apiKey() : -1);
                line.append(",\"bytes\":\"").append(hex(bytes)).append('"');
                if (variant != Variant.standard) {
                    line.append(",\"values\":");
                    json(values, line);
                }
                out.write(line.append("}\n").toString());
                lines++;
            }
        }
        return lines;
    }

    private static byte[] serialize(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(message.getClass() + ": the size was wrong");
        }
        return buffer.array();
    }

    /** An object of a struct class, filled as the variant says; what went in is put into values. */
    private static Object fill(Class<?> type, short version, Variant variant, Map<String, Object> values,
            boolean[] usedNull) throws Exception {
        Message made = (Message) type.getDeclaredConstructor().newInstance();
        if (variant == Variant.standard) {
            return made;
        }
        Map<String, org.apache.kafka.common.protocol.types.Type> present = new HashMap<>();
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
        boolean flexible = false;
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                flexible = true;
                taggedFields(tagged).values().forEach(each -> present.put(each.name, each.type));
            } else {
                present.put(field.def.name, field.def.type);
            }
        }
        int matched = 0;
        for (Field field : type.getDeclaredFields()) {
            var wireType = present.get(snakeCase(field.getName()));
            if (Modifier.isStatic(field.getModifiers()) || wireType == null) {
                continue;
            }
            matched++;
            field.setAccessible(true);
            Object before = field.get(made);
            boolean kept = keepRecords && isRecords(field.getType());
            if (variant == Variant.nulls && wireType.isNullable() && !kept) {
                usedNull[0] = true;
                field.set(made, null);
                values.put(field.getName(), null);
                continue;
            }
            Object[] described = new Object[1];
            Object value = value(field.getType(), field.getGenericType(), wireType, before, version, variant, described, usedNull);
            boolean emptyOnPurpose = variant == Variant.nulls && value instanceof Message;
            if (Objects.deepEquals(before, value) && !emptyOnPurpose) {
                throw new IllegalStateException(field + " v" + version + " still has its default " + value);
            }
            field.set(made, value);
            values.put(field.getName(), described[0]);
        }
        if (matched != present.size()) {
            throw new IllegalStateException(type + " v" + version + ": not all of " + present.keySet() + " were found");
        }
        if (flexible) {
            byte[] payload = {(byte) ++counter, 1, 2};
            made.unknownTaggedFields().add(new RawTaggedField(UNKNOWN_TAG, payload));
            values.put("_unknown", hex(payload));
        }
        return made;
    }

    private static Object value(Class<?> type, Type generic, org.apache.kafka.common.protocol.types.Type wireType,
            Object before, short version, Variant variant, Object[] described, boolean[] usedNull) throws Exception {
        int n = ++counter;
        int sign = n % 2 == 0 ? 1 : -1;
        Object value;
        if (type == boolean.class || type == Boolean.class) {
            value = !Boolean.TRUE.equals(before);
        } else if (type == byte.class || type == Byte.class) {
            value = (byte) (sign * (2 + n % 120));
        } else if (type == short.class || type == Short.class) {
            value = (short) (sign * (300 + n));
        } else if (type == int.class || type == Integer.class) {
            value = wireType == org.apache.kafka.common.protocol.types.Type.UINT16 ? 40000 + n : sign * (70000 + n);
        } else if (type == long.class || type == Long.class) {
            value = wireType == org.apache.kafka.common.protocol.types.Type.UNSIGNED_INT32 ? 3000000000L + n : sign * (5000000000L + n);
        } else if (type == double.class) {
            value = n + 0.25;
        } else if (type == String.class) {
            value = "value-" + n + (n % 5 == 0 ? "-\u00fc\u20ac\ud83d\ude00" : "") + (n % 7 == 0 ? "x".repeat(130) : "");
        } else if (type == Uuid.class) {
            value = new Uuid(0x1122334455667788L + n, -n);
            described[0] = hex(ByteBuffer.allocate(16).putLong(0x1122334455667788L + n).putLong(-n).array());
        } else if (type == byte[].class) {
            byte[] bytes = ("bytes-" + n).getBytes(StandardCharsets.UTF_8);
            value = bytes;
            described[0] = hex(bytes);
        } else if (type == ByteBuffer.class) {
            byte[] bytes = ("buffer-" + n).getBytes(StandardCharsets.UTF_8);
            value = ByteBuffer.wrap(bytes);
            described[0] = hex(bytes);
        } else if (isRecords(type)) {
            byte[] bytes = ("records-" + n).getBytes(StandardCharsets.UTF_8); // Kafka does not look into them here
            value = Class.forName(type.getPackageName() + ".MemoryRecords")
                .getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(bytes));
            described[0] = hex(bytes);
        } else if (Collection.class.isAssignableFrom(type)) {
            Type element = type == List.class
                ? ((ParameterizedType) generic).getActualTypeArguments()[0]
                : ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
            Class<?> elementClass = (Class<?>) element;
            @SuppressWarnings("unchecked")
            Collection<Object> made = type == List.class
                ? new ArrayList<>() : (Collection<Object>) type.getDeclaredConstructor().newInstance();
            List<Object> all = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                Object[] one = new Object[1];
                var elementType = wireType.arrayElementType().get();
                made.add(value(elementClass, elementClass, elementType, null, version, variant, one, usedNull));
                all.add(one[0]);
            }
            value = made;
            described[0] = all;
        } else if (Message.class.isAssignableFrom(type)) {
            Map<String, Object> inner = new HashMap<>();
            value = fill(type, version, variant, inner, usedNull);
            described[0] = inner;
        } else {
            throw new IllegalStateException("what is a " + type + "?");
        }
        if (described[0] == null) {
            described[0] = value;
        }
        return value;
    }

    /** The declared tagged fields of a struct; 3.9.2 has no accessor for them. */
    @SuppressWarnings("unchecked")
    private static Map<Integer, org.apache.kafka.common.protocol.types.Field> taggedFields(TaggedFields tagged)
            throws ReflectiveOperationException {
        Field fields = TaggedFields.class.getDeclaredField("fields");
        fields.setAccessible(true);
        return (Map<Integer, org.apache.kafka.common.protocol.types.Field>) fields.get(tagged);
    }

    /** Record batches; the class has moved to another package between the releases. */
    private static boolean isRecords(Class<?> type) {
        return type.getSimpleName().equals("BaseRecords");
    }

    /** Kafka's generator names schema fields like this. */
    private static String snakeCase(String camel) {
        StringBuilder out = new StringBuilder();
        boolean previousWasCapitalized = true;
        for (char c : (Character.toUpperCase(camel.charAt(0)) + camel.substring(1)).toCharArray()) {
            if (Character.isUpperCase(c)) {
                if (!previousWasCapitalized) {
                    out.append('_');
                }
                out.append(Character.toLowerCase(c));
                previousWasCapitalized = true;
            } else {
                out.append(c);
                previousWasCapitalized = false;
            }
        }
        return out.toString();
    }

    private static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte each : bytes) {
            out.append(String.format("%02x", each));
        }
        return out.toString();
    }

    private static void json(Object value, StringBuilder out) {
        if (value instanceof Map<?, ?> map) {
            out.append('{');
            String comma = "";
            for (var entry : new TreeMap<>(map).entrySet()) {
                out.append(comma).append('"').append(entry.getKey()).append("\":");
                json(entry.getValue(), out);
                comma = ",";
            }
            out.append('}');
        } else if (value instanceof List<?> list) {
            out.append('[');
            String comma = "";
            for (Object each : list) {
                out.append(comma);
                json(each, out);
                comma = ",";
            }
            out.append(']');
        } else if (value instanceof String text) {
            out.append('"').append(text).append('"');
        } else {
            out.append(value);
        }
    }
}
