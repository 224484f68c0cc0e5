// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// answerLimit is when a datagram counts as lost.
const answerLimit = time.Second

// openTunnels opens one for each connection, with the context's deadline on it.
func (l *load) openTunnels(ctx context.Context, dial dialFunc) ([]net.Conn, func(), error) {
	var open []net.Conn
	closeAll := func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}
	for range l.connections {
		conn, err := l.openTunnel(ctx, dial)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		open = append(open, conn)
	}
	return open, closeAll, nil
}

// destination listens on loopback, unless there is a --dest, and has serve play each connection.
func (l *load) destination(serve func(net.Conn)) (func(), error) {
	if l.dest != "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.dest = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return func() { _ = listener.Close() }, nil
}

// echo: round trips in lock-step on each tunnel. Its first one belongs to the set-up: the server may
// still be dialling.
func (l *load) echo(ctx context.Context, begin func()) (float64, error) {
	stop, err := l.destination(func(conn net.Conn) {
		defer conn.Close()
		_, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	tunnels, closeAll, err := l.openTunnels(ctx, l.dialTCP)
	if err != nil {
		return 0, err
	}
	defer closeAll()
	payload := make([]byte, l.size)
	fill(payload)
	answers := make([][]byte, len(tunnels))
	once := func(_ context.Context, i int) error {
		if _, err := tunnels[i].Write(payload); err != nil {
			return err
		}
		if _, err := io.ReadFull(tunnels[i], answers[i]); err != nil {
			return err
		}
		if !bytes.Equal(answers[i], payload) {
			return errors.New("the echo differs from what was sent")
		}
		return nil
	}
	for i := range tunnels {
		answers[i] = make([]byte, l.size)
		if err := once(ctx, i); err != nil {
			return 0, err
		}
	}
	begin()
	return l.spread(ctx, once)
}

// bulk moves bytes one way through all tunnels at once, each its share.
func (l *load) bulk(ctx context.Context, begin func()) (float64, error) {
	share := l.bytes / int64(l.connections)
	if share < 1 {
		return 0, fmt.Errorf("%w: fewer bytes than connections", errUsage)
	}
	start := make(chan struct{})
	ended := make(chan error, 2*l.connections)
	stop, err := l.destination(func(conn net.Conn) {
		defer conn.Close()
		<-start
		if l.down {
			ended <- send(conn, share)
		} else {
			ended <- receive(conn, share)
		}
		_, _ = io.Copy(io.Discard, conn) // the close is the client's
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	tunnels, closeAll, err := l.openTunnels(ctx, l.dialTCP)
	if err != nil {
		return 0, err
	}
	defer closeAll()
	begin()
	close(start)
	for _, tunnel := range tunnels {
		go func() {
			if l.down {
				ended <- receive(tunnel, share)
			} else {
				ended <- send(tunnel, share)
			}
		}()
	}
	for range 2 * len(tunnels) {
		select {
		case err := <-ended:
			if err != nil {
				return 0, err
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return float64(share*int64(len(tunnels))) / megabyte, nil
}

// send writes pieces as large as a TLS connection takes apart without a copy.
func send(to io.Writer, left int64) error {
	piece := make([]byte, 64<<10)
	fill(piece)
	for left > 0 {
		n, err := to.Write(piece[:min(left, int64(len(piece)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

func receive(from io.Reader, size int64) error {
	buffer := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(from, size), buffer)
	if err == nil && n < size {
		err = fmt.Errorf("the end came after %d of %d bytes", n, size)
	}
	return err
}

// datagrams: round trips in lock-step on each session. What has no answer in time is lost, counted, and
// nothing is sent again.
func (l *load) datagrams(ctx context.Context, begin func()) (float64, error) {
	if l.dest == "" {
		echo, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, err
		}
		defer echo.Close()
		l.dest = echo.LocalAddr().String()
		go echoDatagrams(echo)
	}
	sessions, closeAll, err := l.openTunnels(ctx, l.dialUDP)
	if err != nil {
		return 0, err
	}
	defer closeAll()
	payload := make([]byte, l.size)
	fill(payload)
	once := func(_ context.Context, i int) error {
		if _, err := sessions[i].Write(payload); err != nil {
			return err
		}
		_ = sessions[i].SetReadDeadline(time.Now().Add(answerLimit))
		answer := make([]byte, len(payload)+1)
		n, err := sessions[i].Read(answer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
			l.lock.Lock()
			l.lost++
			l.lock.Unlock()
			return nil
		case err != nil:
			return err
		case !bytes.Equal(answer[:n], payload):
			return errors.New("the echo differs from what was sent")
		}
		return nil
	}
	for i := range sessions {
		if err := once(ctx, i); err != nil {
			return 0, err
		}
	}
	begin()
	return l.spread(ctx, once)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func echoDatagrams(conn *net.UDPConn) {
	buffer := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = conn.WriteToUDPAddrPort(buffer[:n], from)
		}
	}
}
