// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
)

// The layout of docs/godoxy-facts.md, section 1 (HDR-01).
const (
	offsetVersion  = 0
	offsetHostLen  = 8
	offsetHost     = 9
	offsetPortLen  = 264
	offsetPort     = 265
	offsetFlags    = 270
	offsetChecksum = 271
	headerSize     = 275

	hostMax = offsetPortLen - offsetHost
	portMax = offsetFlags - offsetPort

	flagCloseImmediately = 0x01
	headerVersion        = "0.1.0\x00\x00\x00"
)

var errInvalidHeader = errors.New("invalid header")

// request is what a header that holds asks for.
type request struct {
	host, port string
	health     bool
}

// encodeHeader refuses locally what the fields cannot carry (HDR-06).
func encodeHeader(host, port string, flags byte) ([]byte, error) {
	if len(host) > hostMax {
		return nil, fmt.Errorf("host of %d bytes, at most %d fit", len(host), hostMax)
	}
	if len(port) > portMax {
		return nil, fmt.Errorf("port of %d bytes, at most %d fit", len(port), portMax)
	}
	wire := make([]byte, headerSize)
	copy(wire[offsetVersion:], headerVersion)
	wire[offsetHostLen] = byte(len(host))
	copy(wire[offsetHost:], host)
	wire[offsetPortLen] = byte(len(port))
	copy(wire[offsetPort:], port)
	wire[offsetFlags] = flags
	seal(wire)
	return wire, nil
}

// seal writes the checksum over whatever the fields hold.
func seal(wire []byte) {
	binary.BigEndian.PutUint32(wire[offsetChecksum:], crc32.ChecksumIEEE(wire[:offsetChecksum]))
}

// checkHeader judges as GoDoxy does: version, port length and checksum, nothing else. Empty hosts, odd
// ports, set padding and unknown flags all pass (docs/godoxy-facts.md, sections 1 and 2).
func checkHeader(wire []byte) error {
	if len(wire) != headerSize ||
		string(wire[offsetVersion:offsetHostLen]) != headerVersion ||
		int(wire[offsetPortLen]) > portMax ||
		binary.BigEndian.Uint32(wire[offsetChecksum:]) != crc32.ChecksumIEEE(wire[:offsetChecksum]) {
		return errInvalidHeader
	}
	return nil
}

func decodeHeader(wire []byte) (request, error) {
	if err := checkHeader(wire); err != nil {
		return request{}, err
	}
	return request{
		host:   string(wire[offsetHost : offsetHost+int(wire[offsetHostLen])]),
		port:   string(wire[offsetPort : offsetPort+int(wire[offsetPortLen])]),
		health: wire[offsetFlags]&flagCloseImmediately != 0,
	}, nil
}

func healthHeader() []byte {
	wire, _ := encodeHeader("", "", flagCloseImmediately)
	return wire
}

func headerCommand(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: header encode or header vectors", errUsage)
	}
	switch args[0] {
	case "encode":
		fs := flag.NewFlagSet("gdpeer header encode", flag.ContinueOnError)
		host := fs.String("host", "", "destination `name` or address, IPv6 without brackets")
		port := fs.String("port", "", "destination `port`")
		flags := fs.Uint("flags", 0, "flag byte: 1 is a health check")
		if err := parseFlags(fs, args[1:]); err != nil {
			return err
		}
		if *flags > 0xff {
			return fmt.Errorf("%w: --flags is one byte", errUsage)
		}
		wire, err := encodeHeader(*host, *port, byte(*flags))
		if err != nil {
			return err
		}
		fmt.Println(hex.EncodeToString(wire))
		return nil
	case "vectors":
		return printVectors()
	}
	return fmt.Errorf("%w: unknown command header %q", errUsage, args[0])
}
