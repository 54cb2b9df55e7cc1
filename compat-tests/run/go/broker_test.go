package run

import (
	"io"
	"net"
	"os"
	"testing"
)

// ApiVersions 0 is answered at the address in the environment.
func TestBrokerAnswers(t *testing.T) {
	connection, err := net.Dial("tcp", os.Getenv("KAFKA_BOOTSTRAP_SERVERS"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err = connection.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 10)
	if _, err = io.ReadFull(connection, answer); err != nil {
		t.Fatal(err)
	}
	if answer[7] != 7 || answer[8] != 0 || answer[9] != 0 {
		t.Fatalf("answered %v", answer)
	}
}
