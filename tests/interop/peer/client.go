// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
)

// errReported ends the process with status 1 after its JSON line has said why.
var errReported = errors.New("reported")

type client struct {
	id      *identity
	address string
	dest    string
	size    int
	rounds  int
	timeout time.Duration
	tlsMax  tlsVersion
	read    bool
	curves  []tls.CurveID // nil: the stack's own choice
}

// outcome is the one line on standard output. A failed init is one whose GET /info failed; a stream that
// fails its check only clears its supports_ field (docs/godoxy-facts.md, section 6, the table of init).
type outcome struct {
	OK        bool       `json:"ok"`
	Command   string     `json:"command"`
	Count     int        `json:"count"`
	Failed    int        `json:"failed"`
	Error     string     `json:"error"`
	ElapsedMS float64    `json:"elapsed_ms"`
	Init      *initFacts `json:"init,omitempty"`
}

func clientCommand(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: client tcp-health, udp-health, init, tcp-echo or udp-echo", errUsage)
	}
	var ids identityFlags
	c := client{}
	command := args[0]
	fs := flag.NewFlagSet("gdpeer client "+command, flag.ContinueOnError)
	ids.register(fs)
	fs.StringVar(&c.address, "addr", "", "`host:port` of the agent")
	fs.StringVar(&c.dest, "dest", "", "`host:port` of the echo destination")
	fs.IntVar(&c.size, "size", 1024, "`bytes` of an echo")
	fs.IntVar(&c.rounds, "rounds", 1, "echoes a session")
	fs.DurationVar(&c.timeout, "timeout", 5*time.Second, "time limit of a session; of all of init")
	fs.Var(&c.tlsMax, "tls-max", "highest TLS `version`")
	fs.BoolVar(&c.read, "read", false, "health checks read to the end, which the real client never does")
	count := fs.Int("count", 1, "how many sessions")
	parallel := fs.Int("parallel", 1, "how many of them at once")
	if err := parseFlags(fs, args[1:]); err != nil {
		return err
	}

	var facts *initFacts
	once := map[string]func(context.Context) error{
		"tcp-health": c.tcpHealth,
		"udp-health": c.udpHealth,
		"tcp-echo":   c.tcpEcho,
		"udp-echo":   c.udpEcho,
		"init": func(ctx context.Context) (err error) {
			facts, err = c.initAgent(ctx)
			return err
		},
	}[command]
	switch {
	case once == nil:
		return fmt.Errorf("%w: unknown command client %q", errUsage, command)
	case c.address == "" || *count < 1 || *parallel < 1 || c.rounds < 1 || c.size < 0:
		return fmt.Errorf("%w: --addr is needed, and counts are positive", errUsage)
	case command == "init" && *parallel > 1:
		return fmt.Errorf("%w: init is not run in parallel", errUsage)
	}
	var err error
	if c.id, err = ids.load(); err != nil {
		return err
	}
	result := repeat(ctx, *count, *parallel, c.timeout, once)
	result.Command, result.Init = command, facts
	if err := printJSON(result); err != nil || result.OK {
		return err
	}
	return errReported
}

// repeat runs once count times, at most parallel at a time, and keeps the first error's text.
func repeat(ctx context.Context, count, parallel int, timeout time.Duration, once func(context.Context) error) outcome {
	result := outcome{Count: count}
	start := time.Now()
	var workers sync.WaitGroup
	var lock sync.Mutex
	work := make(chan struct{}, count)
	for range count {
		work <- struct{}{}
	}
	close(work)
	for range min(parallel, count) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for range work {
				limited, cancel := context.WithTimeout(ctx, timeout)
				err := once(limited)
				cancel()
				if err != nil {
					lock.Lock()
					if result.Failed++; result.Failed == 1 {
						result.Error = err.Error()
					}
					lock.Unlock()
				}
			}
		}()
	}
	workers.Wait()
	result.OK = result.Failed == 0
	result.ElapsedMS = float64(time.Since(start).Microseconds()) / 1000
	return result
}

// dialTCP offers the stream protocol alone (MUX-03) and does not check that it was selected (MUX-04),
// as the real client does not. Header and context deadline are on the connection when it returns.
func (c *client) dialTCP(ctx context.Context, header []byte) (net.Conn, error) {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: dialLimit},
		Config: &tls.Config{
			Certificates: []tls.Certificate{c.id.leaf},
			RootCAs:      c.id.pool,
			MinVersion:   tls.VersionTLS12,
			MaxVersion:   uint16(c.tlsMax),
			NextProtos:   []string{streamALPN},
			ServerName:   serverName,

			CurvePreferences: c.curves,
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	return sendHeader(ctx, conn, header)
}

// dialUDP: only P-256, P-384 and X25519, one suite, Extended Master Secret required (UDP-01). ICMP is not
// listened to: with nobody there it takes the whole time limit (docs/godoxy-facts.md, section 6).
func (c *client) dialUDP(ctx context.Context, header []byte) (net.Conn, error) {
	address, err := net.ResolveUDPAddr("udp", c.address)
	if err != nil {
		return nil, err
	}
	conn, err := dtls.Dial("udp", address, &dtls.Config{
		Certificates:         []tls.Certificate{c.id.leaf},
		RootCAs:              c.id.pool,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		ServerName:           serverName,
		CipherSuites:         dtlsSuites,
	})
	if err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return sendHeader(ctx, conn, header)
}

// sendHeader writes the header once, in a record of its own (UDP-05, UDP-20).
func sendHeader(ctx context.Context, conn net.Conn, header []byte) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write(header); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

type dialFunc func(context.Context, []byte) (net.Conn, error)

func (c *client) tcpHealth(ctx context.Context) error { return c.health(ctx, c.dialTCP) }
func (c *client) udpHealth(ctx context.Context) error { return c.health(ctx, c.dialUDP) }

// health proves a handshake and a write and no more: the real check never reads (TLS-05, HC-05), so a
// certificate refused under TLS 1.3 still passes. With --read it judges by the server's close.
func (c *client) health(ctx context.Context, dial dialFunc) error {
	conn, err := dial(ctx, healthHeader())
	if err != nil {
		return err
	}
	defer conn.Close()
	if !c.read {
		return nil
	}
	buffer := make([]byte, 16384)
	// crypto/tls calls a FIN on a record boundary io.EOF too: a missing close_notify is not seen here.
	switch n, err := conn.Read(buffer); {
	case n > 0:
		return fmt.Errorf("the server sent %d bytes", n)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("waiting for the close: %w", err)
	}
	return nil
}
