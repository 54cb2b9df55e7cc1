package sarama_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// A wire stands between one client and the network (sarama takes it as its Net.Proxy.Dialer). It counts the
// requests that the client writes, and it can be cut (connections reset, new ones refused), silenced (what is
// sent in either direction is lost, and the broker sees an open connection of which nothing comes), or told to
// lose the answers to the next requests of one kind.
type wire struct {
	mu       sync.Mutex
	state    wireState
	conns    []*wireConn
	requests map[request]int
	loseKey  int16
	lose     int
}

type wireState int

const (
	open wireState = iota
	silent
	cut
)

// request is what a request's header says first.
type request struct{ key, version int16 }

const (
	produceKey         = 0
	fetchKey           = 1
	listOffsetsKey     = 2
	metadataKey        = 3
	offsetCommitKey    = 8
	offsetFetchKey     = 9
	findCoordinatorKey = 10
	joinGroupKey       = 11
	heartbeatKey       = 12
	leaveGroupKey      = 13
	syncGroupKey       = 14
	apiVersionsKey     = 18
)

func newWire() *wire { return &wire{requests: map[request]int{}} }

// through makes a client with this configuration use the wire.
func (w *wire) through(config *sarama.Config) *sarama.Config {
	config.Net.Proxy.Enable = true
	config.Net.Proxy.Dialer = w
	return config
}

func (w *wire) Dial(network, address string) (net.Conn, error) {
	w.mu.Lock()
	state := w.state
	w.mu.Unlock()
	if state != open {
		return nil, errors.New("this wire is down")
	}
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	wrapped := &wireConn{Conn: conn, wire: w}
	w.mu.Lock()
	w.conns = append(w.conns, wrapped)
	w.mu.Unlock()
	return wrapped, nil
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = cut
	for _, conn := range w.conns {
		conn.reset()
	}
}

func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = silent
}

// close ends what silence has kept open.
func (w *wire) close() { w.cut() }

// reset breaks the connections that there are; the client may dial again.
func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.reset()
	}
	w.conns = nil
}

// loseAnswers breaks the connection in place of the next n answers to requests with this key: the broker has done
// what was asked, and the client doesn't know.
func (w *wire) loseAnswers(key int16, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loseKey, w.lose = key, n
}

// left says how many answers are still to be lost.
func (w *wire) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lose
}

// versions gives the versions in which requests of one kind were sent.
func (w *wire) versions(key int16) []int16 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var versions []int16
	for r := range w.requests {
		if r.key == key {
			versions = append(versions, r.version)
		}
	}
	return versions
}

type wireConn struct {
	net.Conn
	wire   *wire
	doomed bool // guarded by wire.mu: what comes next is lost, and the connection with it
}

func (c *wireConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// Write gets one whole request at a time: sarama encodes a request into one slice and writes it at once.
func (c *wireConn) Write(frame []byte) (int, error) {
	c.wire.mu.Lock()
	if len(frame) >= 8 {
		sent := request{int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
		c.wire.requests[sent]++
		if c.wire.lose > 0 && sent.key == c.wire.loseKey {
			c.wire.lose--
			c.doomed = true
		}
	}
	state := c.wire.state
	c.wire.mu.Unlock()
	if state == silent {
		return len(frame), nil
	}
	return c.Conn.Write(frame)
}

func (c *wireConn) Read(buffer []byte) (int, error) {
	for {
		n, err := c.Conn.Read(buffer)
		c.wire.mu.Lock()
		state, doomed := c.wire.state, c.doomed
		c.wire.mu.Unlock()
		if doomed && n > 0 {
			c.reset()
			return 0, io.ErrUnexpectedEOF
		}
		if state != silent || err != nil {
			return n, err
		}
	}
}

func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	state := c.wire.state
	c.wire.mu.Unlock()
	if state == silent {
		// The broker must not see it; a pending Read must. A deadline in the past does that.
		return c.Conn.SetReadDeadline(time.Now().Add(-time.Second))
	}
	return c.Conn.Close()
}
