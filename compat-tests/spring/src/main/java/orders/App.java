package orders;

import org.springframework.boot.autoconfigure.SpringBootApplication;

/** A program as people write them with Spring Kafka: topics as beans, a template, listeners. */
@SpringBootApplication
public class App { }
