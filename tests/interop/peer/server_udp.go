// SPDX-License-Identifier: MIT

package main

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/pion/dtls/v3"
)

// dtlsSuites: the one suite that both sides speak (UDP-01).
var dtlsSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}

func (s *server) listenDTLS(at *net.UDPAddr) (net.Listener, net.Addr, error) {
	listener, err := dtls.Listen("udp", at, &dtls.Config{
		Certificates:         []tls.Certificate{s.id.leaf},
		ClientCAs:            s.id.pool,
		ClientAuth:           dtls.RequireAndVerifyClientCert,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		CipherSuites:         dtlsSuites,
	})
	if err != nil {
		return nil, nil, err
	}
	return listener, listener.Addr(), nil
}

func (s *server) serveDTLS(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go serveDatagrams(conn)
	}
}

// serveDatagrams handles one DTLS session. The handshake runs inside the first read, so the 10 s of the
// header include it (UDP-08; docs/godoxy-facts.md, section 5). The stack's receive buffer of 8192 bytes
// drops records with more than 8155 bytes of payload without a word (UDP-09).
func serveDatagrams(client net.Conn) {
	defer client.Close()
	log := slog.With("proto", "udp", "remote", client.RemoteAddr().String())

	wire := make([]byte, headerSize)
	_ = client.SetReadDeadline(time.Now().Add(headerLimit))
	// A record longer than what is still missing does not fit the buffer and ends the session (UDP-05).
	if _, err := io.ReadFull(client, wire); err != nil {
		log.Error("failed to read stream header", "err", err)
		return
	}
	_ = client.SetReadDeadline(time.Time{})

	want, err := decodeHeader(wire)
	if err != nil {
		log.Error("invalid stream header received", "header", hex.EncodeToString(wire))
		return
	}
	if want.health {
		log.Info("health check received")
		return
	}
	destination, err := dialUDP(want)
	if err != nil {
		log.Error("failed to get or create destination connection", "err", err)
		return
	}
	defer destination.Close()
	go returnDatagrams(log, client, destination)

	buffer := make([]byte, 65535)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				log.Error("failed to read from client", "err", err)
			}
			return
		}
		if _, err := destination.Write(buffer[:n]); err != nil {
			log.Error("failed to write to destination", "bytes", n, "err", err)
			return
		}
	}
}

// dialUDP only connects a socket: port 0 and empty names pass, and the session then stays silent (section 5).
func dialUDP(want request) (*net.UDPConn, error) {
	address, err := net.ResolveUDPAddr("udp", net.JoinHostPort(want.host, want.port))
	if err != nil {
		return nil, err
	}
	return net.DialUDP("udp", nil, address)
}

// returnDatagrams ends at its first error, an ICMP refusal or an answer too long to send, while the
// session itself lives on: the return direction is dead from then on (UDP-10, UDP-11; section 5).
func returnDatagrams(log *slog.Logger, client net.Conn, destination *net.UDPConn) {
	buffer := make([]byte, 65535)
	for {
		n, err := destination.Read(buffer)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				log.Error("failed to read from destination", "err", err)
			}
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			log.Error("failed to write to client", "bytes", n, "err", err)
			return
		}
	}
}
