// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

// openTunnel dials the agent with a header for the destination.
func (c *client) openTunnel(ctx context.Context, dial dialFunc) (net.Conn, error) {
	host, port, err := net.SplitHostPort(c.dest)
	if err != nil {
		return nil, fmt.Errorf("--dest: %w", err)
	}
	header, err := encodeHeader(host, port, 0)
	if err != nil {
		return nil, err
	}
	return dial(ctx, header)
}

// tcpEcho writes and reads at once, so that no buffer on the way can stop it, whatever the size.
func (c *client) tcpEcho(ctx context.Context) error {
	conn, err := c.openTunnel(ctx, c.dialTCP)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent, got := make([]byte, c.size), make([]byte, c.size)
	for round := range c.rounds {
		fill(sent)
		written := make(chan error, 1)
		go func() {
			_, err := conn.Write(sent)
			written <- err
		}()
		n, err := io.ReadFull(conn, got)
		if err != nil {
			_ = conn.Close() // frees the writer
			<-written
			return fmt.Errorf("round %d, after %d of %d bytes: %w", round+1, n, c.size, err)
		}
		if err := <-written; err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if !bytes.Equal(sent, got) {
			return errors.New("the echo differs from what was sent")
		}
	}
	return nil
}

// udpEcho is lock-step: an answer lost is a failure, for nothing is sent again. Both directions lose
// payloads over 8155 bytes (docs/godoxy-facts.md, section 5).
func (c *client) udpEcho(ctx context.Context) error {
	conn, err := c.openTunnel(ctx, c.dialUDP)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent, got := make([]byte, c.size), make([]byte, 65535)
	for round := range c.rounds {
		fill(sent)
		if _, err := conn.Write(sent); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		n, err := conn.Read(got)
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if !bytes.Equal(sent, got[:n]) {
			return fmt.Errorf("round %d: an echo of %d bytes that differs from the %d sent", round+1, n, c.size)
		}
	}
	return nil
}

// fill makes each payload another one, so that a repeated or stale answer is seen.
func fill(payload []byte) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	_, _ = rand.NewChaCha8(seed).Read(payload)
}
