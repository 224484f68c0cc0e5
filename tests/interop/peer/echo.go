// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"flag"
	"io"
	"net"
	"sync/atomic"
)

// echoCounts is printed at the end, so that a test can tell "closed at once" from "never dialled":
// on the client's side of the agent both look the same (docs/godoxy-facts.md, section 2, the
// consequence below the table).
type echoCounts struct {
	connections, tcpBytes, datagrams, udpBytes atomic.Int64
}

func echoCommand(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("gdpeer echo", flag.ContinueOnError)
	listen := fs.String("listen", "127.0.0.1:0", "`host:port`, one number for TCP and UDP")
	readyFile := fs.String("ready-file", "", "`file` that gets the ready line too")
	if err := parseFlags(fs, args); err != nil {
		return err
	}

	p, err := listenPair(*listen, true, func(at *net.UDPAddr) (*net.UDPConn, net.Addr, error) {
		conn, err := net.ListenUDP("udp", at)
		if err != nil {
			return nil, nil, err
		}
		return conn, conn.LocalAddr(), nil
	})
	if err != nil {
		return err
	}
	var counts echoCounts
	go counts.serveTCP(p.tcp)
	go counts.serveUDP(p.udp)
	if err := p.where.announce(*readyFile); err != nil {
		return err
	}
	<-ctx.Done()
	return printJSON(map[string]int64{
		"connections": counts.connections.Load(),
		"tcp_bytes":   counts.tcpBytes.Load(),
		"datagrams":   counts.datagrams.Load(),
		"udp_bytes":   counts.udpBytes.Load(),
	})
}

func (c *echoCounts) serveTCP(listener *net.TCPListener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		c.connections.Add(1)
		go func() {
			defer conn.Close()
			// Counted as they pass: the agent leaves its destination open when its client has gone, so
			// this copy may never end (section 3).
			_, _ = io.Copy(conn, io.TeeReader(conn, (*counter)(&c.tcpBytes)))
		}()
	}
}

// counter is a writer that only counts.
type counter atomic.Int64

func (c *counter) Write(p []byte) (int, error) {
	(*atomic.Int64)(c).Add(int64(len(p)))
	return len(p), nil
}

func (c *echoCounts) serveUDP(conn *net.UDPConn) {
	buffer := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			continue // an ICMP refusal of an earlier answer: not our end
		}
		c.datagrams.Add(1)
		c.udpBytes.Add(int64(n))
		_, _ = conn.WriteToUDPAddrPort(buffer[:n], from)
	}
}
