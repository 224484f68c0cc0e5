// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// ready is the line that tells a test where to go.
type ready struct {
	TCP string `json:"tcp,omitempty"`
	UDP string `json:"udp,omitempty"`
}

// pair is what listens on one port number; either half may be absent.
type pair[U any] struct {
	tcp   *net.TCPListener
	udp   U
	where ready
}

// listenPair binds TCP and UDP on one port number, as the protocol has it (UDP-01). For port 0 the TCP
// side picks the number; if that is taken for UDP another one is tried.
func listenPair[U any](address string, tcp bool, bindUDP func(*net.UDPAddr) (U, net.Addr, error)) (*pair[U], error) {
	const attempts = 16
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: --listen: %w", errUsage, err)
	}
	for attempt := 1; ; attempt++ {
		p, err := tryPair(*want, tcp, bindUDP)
		if err == nil || want.Port != 0 || attempt == attempts || !errors.Is(err, syscall.EADDRINUSE) {
			return p, err
		}
	}
}

func tryPair[U any](at net.TCPAddr, tcp bool, bindUDP func(*net.UDPAddr) (U, net.Addr, error)) (*pair[U], error) {
	p := &pair[U]{}
	if tcp {
		listener, err := net.ListenTCP("tcp", &at)
		if err != nil {
			return nil, err
		}
		p.tcp, p.where.TCP = listener, listener.Addr().String()
		at.Port = listener.Addr().(*net.TCPAddr).Port
	}
	if bindUDP != nil {
		udp, addr, err := bindUDP(&net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
		if err != nil {
			if p.tcp != nil {
				_ = p.tcp.Close()
			}
			return nil, err
		}
		p.udp, p.where.UDP = udp, addr.String()
	}
	return p, nil
}

// announce prints the ready line; the file appears by rename, so a reader never sees half of it.
func (r ready) announce(file string) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if file != "" {
		temporary, err := os.CreateTemp(filepath.Dir(file), ".ready-*")
		if err != nil {
			return err
		}
		_, err = temporary.Write(append(line, '\n'))
		if err = errors.Join(err, temporary.Close()); err == nil {
			err = os.Rename(temporary.Name(), file)
		}
		if err != nil {
			return errors.Join(err, os.Remove(temporary.Name()))
		}
	}
	return printJSON(r)
}
