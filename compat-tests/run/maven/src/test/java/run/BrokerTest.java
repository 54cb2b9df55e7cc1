package run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.net.Socket;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** ApiVersions 0 is answered at the address that Spring Boot takes for spring.kafka.bootstrap-servers. */
class BrokerTest {
    @Test
    void theBrokerAnswers() throws Exception {
        String[] address = System.getenv("SPRING_KAFKA_BOOTSTRAP_SERVERS").split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            socket.setSoTimeout(60_000);
            socket.getOutputStream().write(new byte[] {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, -1, -1});
            byte[] answer = socket.getInputStream().readNBytes(10);
            assertArrayEquals(new byte[] {0, 0, 0, 7, 0, 0}, Arrays.copyOfRange(answer, 4, 10));
        }
    }
}
