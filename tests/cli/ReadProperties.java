import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Reads texts with java.util.Properties: a length and that many bytes in; a count (-1: refused) and pairs out. */
class ReadProperties {
    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out));
        while (true) {
            int length;
            try {
                length = in.readInt();
            } catch (EOFException end) {
                return;
            }
            Properties properties = new Properties();
            try {
                properties.load(new ByteArrayInputStream(in.readNBytes(length)));
                out.writeInt(properties.size());
                for (String name : new TreeSet<>(properties.stringPropertyNames())) {
                    for (String text : List.of(name, properties.getProperty(name))) {
                        byte[] bytes = text.getBytes(StandardCharsets.UTF_16BE);
                        out.writeInt(bytes.length);
                        out.write(bytes);
                    }
                }
            } catch (IllegalArgumentException malformed) {
                out.writeInt(-1);
            }
            out.flush();
        }
    }
}
