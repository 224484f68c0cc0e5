// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// initFacts is what a GoDoxy server learns when it adds an agent (API-08).
type initFacts struct {
	agentInfo
	TCPStream bool   `json:"supports_tcp_stream"`
	UDPStream bool   `json:"supports_udp_stream"`
	TCPError  string `json:"tcp_error,omitempty"`
	UDPError  string `json:"udp_error,omitempty"`
}

// initAgent fetches /info and does both health checks within the one time limit of ctx. An agent without
// /info is an old one: three plain-text paths, and no streams (docs/godoxy-facts.md, section 6).
func (c *client) initAgent(ctx context.Context) (*initFacts, error) {
	web := c.webClient()
	defer web.CloseIdleConnections()
	facts := &initFacts{}
	status, body, err := get(ctx, web, "/info")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return facts, c.initOld(ctx, web, facts)
	}
	if err := json.Unmarshal(body, &facts.agentInfo); err != nil {
		return nil, fmt.Errorf("GET /info: %w", err)
	}
	if err := c.tcpHealth(ctx); err != nil {
		facts.TCPError = err.Error()
	}
	if err := c.udpHealth(ctx); err != nil {
		facts.UDPError = err.Error()
	}
	facts.TCPStream, facts.UDPStream = facts.TCPError == "", facts.UDPError == ""
	return facts, nil
}

func (c *client) initOld(ctx context.Context, web *http.Client, facts *initFacts) error {
	for _, field := range []struct {
		path  string
		value *string
	}{{"/name", &facts.Name}, {"/version", &facts.Version}, {"/runtime", &facts.Runtime}} {
		status, body, err := get(ctx, web, field.path)
		if err != nil {
			return err
		}
		*field.value = string(body)
		if field.path != "/runtime" {
			continue // their status is not looked at
		}
		switch {
		case status == http.StatusNotFound:
			facts.Runtime = "docker" // older still: podman was not known then
		case status != http.StatusOK:
			return fmt.Errorf("GET /runtime: status %d", status)
		case facts.Runtime != "docker" && facts.Runtime != "podman":
			return fmt.Errorf("unknown runtime %q", facts.Runtime)
		}
	}
	return nil
}

// webClient offers no ALPN at all, which is what selects HTTP for the real client (MUX-01).
func (c *client) webClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, c.address)
		},
		TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{c.id.leaf},
			RootCAs:      c.id.pool,
			MinVersion:   tls.VersionTLS12,
			MaxVersion:   uint16(c.tlsMax),
			ServerName:   serverName,
		},
	}}
}

func get(ctx context.Context, web *http.Client, path string) (int, []byte, error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+serverName+apiBase+path, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := web.Do(ask)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, body, err
}
