// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	streamALPN = "godoxy-agent-stream/1"
	apiBase    = "/godoxy/agent"

	// headerLimit and dialLimit are measured: 10.000 s each (docs/godoxy-facts.md, section 2).
	headerLimit = 10 * time.Second
	dialLimit   = 10 * time.Second
)

// agentInfo is the answer of GET /info (API-01).
type agentInfo struct {
	Version string `json:"version"`
	Name    string `json:"name"`
	Runtime string `json:"runtime"`
}

type server struct {
	id             *identity
	info           agentInfo
	tlsMin, tlsMax tlsVersion
}

func serverCommand(ctx context.Context, args []string) error {
	var ids identityFlags
	s := server{tlsMin: tls.VersionTLS12, tlsMax: tls.VersionTLS13}
	fs := flag.NewFlagSet("gdpeer server", flag.ContinueOnError)
	ids.register(fs)
	listen := fs.String("listen", "127.0.0.1:0", "`host:port`, one number for TCP and UDP")
	readyFile := fs.String("ready-file", "", "`file` that gets the ready line too")
	noTCP := fs.Bool("no-tcp", false, "no TLS, hence no /info")
	noUDP := fs.Bool("no-udp", false, "no DTLS")
	fs.StringVar(&s.info.Name, "name", "gdpeer", "agent name in /info")
	fs.StringVar(&s.info.Version, "version", "v0.30.4", "agent version in /info")
	fs.StringVar(&s.info.Runtime, "runtime", "docker", "agent runtime in /info")
	fs.Var(&s.tlsMin, "tls-min", "lowest TLS `version`")
	fs.Var(&s.tlsMax, "tls-max", "highest TLS `version`")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *noTCP && *noUDP {
		return fmt.Errorf("%w: --no-tcp and --no-udp leave nothing", errUsage)
	}
	var err error
	if s.id, err = ids.load(); err != nil {
		return err
	}
	return s.run(ctx, *listen, *readyFile, !*noTCP, !*noUDP)
}

func (s *server) run(ctx context.Context, listen, readyFile string, tcp, udp bool) error {
	bindUDP := s.listenDTLS
	if !udp {
		bindUDP = nil
	}
	p, err := listenPair(listen, tcp, bindUDP)
	if err != nil {
		return err
	}
	var web *http.Server
	if tcp {
		web = s.webServer()
		go func() { _ = web.Serve(tls.NewListener(p.tcp, s.tlsConfig())) }()
	}
	if udp {
		go s.serveDTLS(p.udp)
	}
	if err := p.where.announce(readyFile); err != nil {
		return err
	}
	reportCPU(ctx)
	// SIGTERM: every TLS session hears close_notify, and no DTLS session hears anything
	// (docs/godoxy-facts.md, last rows of sections 4 and 5). The process ends before any DTLS close.
	if web != nil {
		_ = web.Close()
	}
	return nil
}

// tlsConfig: http/1.1 stands first, so a client that offers both gets HTTP (MUX-03; docs/godoxy-facts.md,
// section 4, "stream + http/1.1, either order").
func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{s.id.leaf},
		ClientCAs:    s.id.pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   uint16(s.tlsMin),
		MaxVersion:   uint16(s.tlsMax),
		NextProtos:   []string{"http/1.1", streamALPN},
	}
}

// webServer owns every TLS connection, streams included: its Close is what sends their close_notify.
// It has no time limits, neither for handshakes nor for idle connections (section 4).
func (s *server) webServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc(apiBase+"/info", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.info)
	})
	// All other paths go to the Docker socket; where there is none, the answer is an empty 502 (section 7).
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	})
	return &http.Server{
		Handler:  mux,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelError),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){
			streamALPN: func(_ *http.Server, conn *tls.Conn, _ http.Handler) { serveStream(conn) },
		},
	}
}

// serveStream handles one TCP stream. Whatever its outcome, the client sees close_notify and FIN and no
// application byte (section 2).
func serveStream(conn *tls.Conn) {
	defer conn.Close()
	log := slog.With("proto", "tcp", "remote", conn.RemoteAddr().String())

	wire := make([]byte, headerSize)
	// One absolute deadline, not one a read: a byte now and then does not extend it (TCP-03).
	_ = conn.SetReadDeadline(time.Now().Add(headerLimit))
	if _, err := io.ReadFull(conn, wire); err != nil {
		log.Error("failed to redirect connection", "err", err)
		return
	}
	_ = conn.SetReadDeadline(time.Time{})

	want, err := decodeHeader(wire)
	if err != nil {
		log.Error("failed to redirect connection", "err", err)
		return
	}
	if want.health {
		log.Info("health check received")
		return
	}
	// No check of host and port before the dial: "" is localhost, "" or "0" is port 0, service names
	// are looked up, brackets are an error of JoinHostPort's making (section 2).
	destination, err := net.DialTimeout("tcp", net.JoinHostPort(want.host, want.port), dialLimit)
	if err != nil {
		log.Error("failed to redirect connection", "err", err)
		return
	}
	defer destination.Close()
	pipe(log, conn, destination)
}

// pipe copies both ways until both have ended. Neither end is passed on while the other lives: no
// half-close, no reset, no idle limit (section 3).
func pipe(log *slog.Logger, client, destination net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{destination, client}, {client, destination}} {
		both.Add(1)
		go func() {
			defer both.Done()
			// The struct hides ReadFrom and WriteTo: a plain copy by 32 KiB, like the real one.
			_, err := io.Copy(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]})
			if err != nil && !quiet(err) {
				log.Error("failed to start bidirectional pipe", "err", err)
			}
		}()
	}
	both.Wait()
}

// quiet says which ends of a tunnel are not worth a line: those that the real agent swallows.
func quiet(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
