package sarama_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// saslBroker starts a broker with a listener SASL beside the plain one, on which alice logs in with "secret", and
// returns the broker as a client of that listener sees it.
func saslBroker(t testing.TB) (plain, secured *broker) {
	t.Helper()
	if external() != nil {
		t.Skip("needs a broker with a listener for SASL, which this suite starts itself")
	}
	port := freePort(t)
	if kind() == "kafka" {
		plain = serve(filepath.Join(t.TempDir(), "data"), port)
		plain.command = append(plain.command, "--listener", "SASL=SASL_PLAINTEXT", "--user", "alice=secret")
	} else {
		plain = serve(filepath.Join(t.TempDir(), "data"), -1,
			fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,SASL://127.0.0.1:%d", port, port+1),
			"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT",
			"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
			"listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "+
				`user_alice="secret";`,
			"listener.name.sasl.scram-sha-256.sasl.jaas.config="+
				"org.apache.kafka.common.security.scram.ScramLoginModule required;")
		plain.listeners["SASL"] = fmt.Sprintf("127.0.0.1:%d", port+1)
	}
	plain.startFor(t)
	return plain, &broker{kind: plain.kind, addrs: []string{plain.listeners["SASL"]}}
}

func login(config *sarama.Config, mechanism sarama.SASLMechanism, user, password string) *sarama.Config {
	config.Net.SASL.Enable = true
	config.Net.SASL.Mechanism = mechanism
	config.Net.SASL.User, config.Net.SASL.Password = user, password
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scram{} }
	config.Metadata.Retry.Max = 0
	return config
}

func TestClientsLogInWithAPassword(t *testing.T) {
	scenarioWithin(t, 2*time.Minute, func(t testing.TB) {
		plain, secured := saslBroker(t)
		topic := newTopicAt(t, plain, 1, nil)
		admin := newAdmin(t, plain, sarama.DefaultVersion)
		_, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
			Name: "bob", Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 4096,
			Salt: []byte("some salt"), Password: []byte("bob's secret"),
		}})
		must(t, "UpsertUserScramCredentials", err)
		offset := int64(0)
		for _, version := range []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_3_0_0, sarama.MaxVersion} {
			for _, mechanism := range []sarama.SASLMechanism{sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256} {
				user, password := "alice", "secret"
				if mechanism == sarama.SASLTypeSCRAMSHA256 {
					user, password = "bob", "bob's secret"
				}
				if kind() == "kafka" && !version.IsAtLeast(sarama.V2_1_0_0) && lowestProduce(t) > 0 {
					continue
				}
				config := login(configure(version), mechanism, user, password)
				config.Producer.RequiredAcks = sarama.WaitForAll
				producer := newSyncProducer(t, secured, config)
				value := fmt.Sprintf("%s %v", mechanism, version)
				_, at, err := producer.SendMessage(message(topic, 0, value))
				must(t, "sending", err)
				if at != offset {
					t.Errorf("%s is at %d, want %d", value, at, offset)
				}
				_, from := newConsumer(t, secured, config, topic, 0, at)
				wantValues(t, take(t, from, 1), at, []string{value})
				offset++

				_, err = sarama.NewClient(secured.addrs, login(configure(version), mechanism, user, "wrong"))
				if !errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
					t.Errorf("%s with a wrong password: %v", value, err)
				}
			}
		}
		if _, err := sarama.NewClient(secured.addrs, configure(sarama.DefaultVersion)); err == nil {
			t.Error("a client could connect without logging in")
		}
		// Before 1.0 there is only the first way of shaking hands, after which the tokens travel without headers.
		old := login(configure(sarama.V2_3_0_0), sarama.SASLTypePlaintext, "alice", "secret")
		if kind() == "kwire" || lowestProduce(t) == 0 {
			old.Version = sarama.V0_11_0_2
		}
		old.Net.SASL.Version = sarama.SASLHandshakeV0
		old.ApiVersionsRequest = false
		readAll(t, secured, old, topic, 0, 1)
	})
}

// scram is a client's side of SCRAM-SHA-256 (RFC 5802), which sarama leaves to the program.
type scram struct {
	user, password, nonce, first string
	expected                     []byte // what the server's last message must prove
	step                         int
	done                         bool
}

func (s *scram) Begin(user, password, _ string) error {
	random := make([]byte, 18)
	_, err := rand.Read(random)
	s.user, s.password, s.nonce = user, password, base64.StdEncoding.EncodeToString(random)
	return err
}

func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		s.first = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.user) + ",r=" + s.nonce
		return "n,," + s.first, nil
	case 2:
		return s.prove(challenge)
	default:
		s.done = true
		if challenge != "v="+base64.StdEncoding.EncodeToString(s.expected) {
			return "", fmt.Errorf("the server says %q", challenge)
		}
		return "", nil
	}
}

func (s *scram) prove(challenge string) (string, error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(field, "=")
		fields[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil {
		return "", err
	}
	iterations, err := strconv.Atoi(fields["i"])
	if err != nil || !strings.HasPrefix(fields["r"], s.nonce) {
		return "", fmt.Errorf("the server asks %q", challenge)
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	answer := "c=biws,r=" + fields["r"]
	signed := s.first + "," + challenge + "," + answer
	clientKey := keyed(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := keyed(stored[:], signed)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.expected = keyed(keyed(salted, "Server Key"), signed)
	return answer + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func (s *scram) Done() bool { return s.done }

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
