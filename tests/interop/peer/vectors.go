// SPDX-License-Identifier: MIT

package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
)

// vector is one golden header. Verdict is what the statements ask of a server: dial, health, refuse, or
// more for a header that is not whole yet. GoDoxy is what its header check comes to; where it differs, the
// statement is a SHOULD that GoDoxy does not keep, and its dial may fail later (docs/godoxy-facts.md,
// section 2). Host and port are hex, cut to their length bytes: they may hold any byte, NUL included.
type vector struct {
	Name      string `json:"name"`
	Statement string `json:"statement"`
	Verdict   string `json:"verdict"`
	GoDoxy    string `json:"godoxy"`
	HostHex   string `json:"host_hex"`
	PortHex   string `json:"port_hex"`
	Flags     int    `json:"flags"`
	Hex       string `json:"hex"`
}

const (
	dial   = "dial"
	health = "health"
	refuse = "refuse"
	more   = "more"
)

// draft is a vector before it is bytes. The edits before the seal leave the checksum right, those after
// it do not.
type draft struct {
	statement, name, verdict, godoxy string
	host, port                       string
	flags                            byte
	edit, spoil                      func(wire []byte)
	cut                              int
}

func set(offset int, bytes ...byte) func([]byte) {
	return func(wire []byte) { copy(wire[offset:], bytes) }
}

func all(edits ...func([]byte)) func([]byte) {
	return func(wire []byte) {
		for _, edit := range edits {
			edit(wire)
		}
	}
}

func reverseChecksum(wire []byte) {
	sum := wire[offsetChecksum:]
	sum[0], sum[1], sum[2], sum[3] = sum[3], sum[2], sum[1], sum[0]
}

func plainHTTP(wire []byte) {
	text := "GET /godoxy/agent/info HTTP/1.1\r\nHost: godoxy.agent\r\n\r\n"
	copy(wire, text+strings.Repeat(" ", headerSize-len(text)))
}

func drafts() []draft {
	long := strings.Repeat("abcdefghijklmno.", 16)[:hostMax]
	wrongVersion := set(offsetVersion, '0', '.', '2', '.', '0')
	wrongPortLength := set(offsetPortLen, 6)
	spoilt := set(offsetChecksum, 0xde, 0xad, 0xbe, 0xef)
	return []draft{
		{statement: "HDR-01", name: "ipv4", verdict: dial, host: "127.0.0.1", port: "8080"},
		{statement: "HDR-01", name: "name", verdict: dial, host: "example.com", port: "443"},
		{statement: "HDR-01", name: "one-letter-host", verdict: dial, host: "a", port: "1"},
		{statement: "HDR-01", name: "upper-case-host", verdict: dial, host: "EXAMPLE.Com", port: "65535"},
		{statement: "HDR-01", name: "longest-host", verdict: dial, host: long, port: "65535"},
		{statement: "HDR-01", name: "cut-last-byte", verdict: more, host: "127.0.0.1", port: "8080", cut: 1},
		{statement: "HDR-01", name: "cut-to-nothing", verdict: more, host: "127.0.0.1", port: "8080", cut: headerSize},

		{statement: "HC-01", name: "health", verdict: health, flags: 1},
		{statement: "HC-01", name: "health-with-destination", verdict: health, host: "127.0.0.1", port: "8080", flags: 1},
		{statement: "HC-01", name: "health-with-odd-destination", verdict: health, host: "[::1]", port: "zzzzz", flags: 1},

		{statement: "HDR-02", name: "version-0.2.0", verdict: refuse, host: "127.0.0.1", port: "8080", edit: wrongVersion},
		{statement: "HDR-02", name: "version-0.1.1-health", verdict: refuse, flags: 1, edit: set(offsetVersion+4, '1')},
		{statement: "HDR-02", name: "version-empty", verdict: refuse, host: "127.0.0.1", port: "8080", edit: set(offsetVersion, 0, 0, 0, 0, 0)},
		{statement: "HDR-02", name: "version-tail-not-nul", verdict: refuse, host: "127.0.0.1", port: "8080", edit: set(offsetVersion+7, 1)},
		{statement: "HDR-02", name: "version-and-port-length", verdict: refuse, host: "127.0.0.1", port: "8080", edit: all(wrongVersion, wrongPortLength)},

		{statement: "HDR-03", name: "checksum-wrong", verdict: refuse, host: "127.0.0.1", port: "8080", spoil: spoilt},
		{statement: "HDR-03", name: "checksum-wrong-health", verdict: refuse, flags: 1, spoil: spoilt},
		{statement: "HDR-03", name: "checksum-zero", verdict: refuse, host: "127.0.0.1", port: "8080", spoil: set(offsetChecksum, 0, 0, 0, 0)},
		{statement: "HDR-03", name: "checksum-little-endian", verdict: refuse, host: "127.0.0.1", port: "8080", spoil: reverseChecksum},
		{statement: "HDR-03", name: "flag-set-after-checksum", verdict: refuse, host: "127.0.0.1", port: "8080", spoil: set(offsetFlags, 1)},
		{statement: "HDR-03", name: "all-zero", verdict: refuse, edit: set(offsetVersion, 0, 0, 0, 0, 0), spoil: set(offsetChecksum, 0, 0, 0, 0)},
		{statement: "HDR-03", name: "http-request", verdict: refuse, spoil: plainHTTP},
		{statement: "HDR-03", name: "checksum-version-and-port-length", verdict: refuse, host: "127.0.0.1", port: "8080", edit: all(wrongVersion, wrongPortLength), spoil: spoilt},

		{statement: "HDR-04", name: "port-length-6", verdict: refuse, host: "127.0.0.1", port: "8080", edit: wrongPortLength},
		{statement: "HDR-04", name: "port-length-255-health", verdict: refuse, flags: 1, edit: set(offsetPortLen, 255)},
		{statement: "HDR-04", name: "port-length-and-empty-host", verdict: refuse, port: "8080", edit: wrongPortLength},

		{statement: "HDR-07", name: "host-length-cuts-text", verdict: dial, host: "127.0.0.1.example", port: "8080", edit: set(offsetHostLen, 9)},
		{statement: "HDR-07", name: "port-length-cuts-text", verdict: dial, host: "127.0.0.1", port: "80809", edit: set(offsetPortLen, 4)},
		{statement: "HDR-08", name: "padding-not-nul", verdict: dial, host: "127.0.0.1", port: "80", edit: all(set(offsetHost+200, 'x'), set(offsetPort+3, 0xff))},
		{statement: "HDR-08", name: "padding-not-nul-health", verdict: health, flags: 1, edit: set(offsetHost, 'x')},

		{statement: "HDR-09", name: "flags-02", verdict: dial, host: "127.0.0.1", port: "8080", flags: 0x02},
		{statement: "HDR-09", name: "flags-80", verdict: dial, host: "127.0.0.1", port: "8080", flags: 0x80},
		{statement: "HDR-09", name: "flags-03", verdict: health, host: "127.0.0.1", port: "8080", flags: 0x03},
		{statement: "HDR-09", name: "flags-ff", verdict: health, flags: 0xff},

		{statement: "HDR-10", name: "host-empty", verdict: refuse, godoxy: dial, port: "8080"},
		{statement: "HDR-10", name: "host-and-port-empty", verdict: refuse, godoxy: dial},
		{statement: "HDR-11", name: "host-with-nul", verdict: refuse, godoxy: dial, host: "127.0.0.1\x00.example", port: "8080"},
		{statement: "HDR-11", name: "host-length-255-padded", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "8080", edit: set(offsetHostLen, 255)},

		{statement: "HDR-12", name: "port-empty", verdict: refuse, godoxy: dial, host: "127.0.0.1"},
		{statement: "HDR-12", name: "port-zero", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "0"},
		{statement: "HDR-12", name: "port-all-zeros", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "00000"},
		{statement: "HDR-12", name: "port-65536", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "65536"},
		{statement: "HDR-12", name: "port-negative", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "-1"},
		{statement: "HDR-12", name: "port-service-name", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "http"},
		{statement: "HDR-12", name: "port-hexadecimal", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "0x50"},
		{statement: "HDR-12", name: "port-with-space", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "80 "},
		{statement: "HDR-12", name: "port-with-nul", verdict: refuse, godoxy: dial, host: "127.0.0.1", port: "80", edit: set(offsetPortLen, 3)},

		{statement: "HDR-13", name: "ipv6", verdict: dial, host: "::1", port: "8080"},
		{statement: "HDR-13", name: "ipv6-written-out", verdict: dial, host: "0:0:0:0:0:0:0:1", port: "8080"},
		{statement: "HDR-13", name: "ipv6-scope", verdict: dial, host: "fe80::1%lo", port: "8080"},
		{statement: "HDR-13", name: "ipv6-brackets", verdict: refuse, godoxy: dial, host: "[::1]", port: "8080"},

		{statement: "HDR-14", name: "inet-aton-short", verdict: refuse, godoxy: dial, host: "127.1", port: "8080"},
		{statement: "HDR-14", name: "inet-aton-octal", verdict: refuse, godoxy: dial, host: "0177.0.0.1", port: "8080"},
		{statement: "HDR-14", name: "inet-aton-number", verdict: refuse, godoxy: dial, host: "2130706433", port: "8080"},
		{statement: "HDR-14", name: "inet-aton-hexadecimal", verdict: refuse, godoxy: dial, host: "0x7f000001", port: "8080"},
	}
}

// vector turns a draft into bytes and reads host and port back as the fields' lengths give them.
func (d draft) vector() vector {
	wire, err := encodeHeader(d.host, d.port, d.flags)
	if err != nil {
		panic(d.name + ": " + err.Error())
	}
	if d.edit != nil {
		d.edit(wire)
	}
	seal(wire)
	if d.spoil != nil {
		d.spoil(wire)
	}
	if d.godoxy == "" {
		d.godoxy = d.verdict
	}
	host := wire[offsetHost : offsetHost+int(wire[offsetHostLen])]
	port := wire[offsetPort : offsetPort+min(int(wire[offsetPortLen]), portMax)]
	return vector{
		Name:      d.name,
		Statement: d.statement,
		Verdict:   d.verdict,
		GoDoxy:    d.godoxy,
		HostHex:   hex.EncodeToString(host),
		PortHex:   hex.EncodeToString(port),
		Flags:     int(wire[offsetFlags]),
		Hex:       hex.EncodeToString(wire[:headerSize-d.cut]),
	}
}

// vectorFile is tests/data/header_vectors.json.
func vectorFile() ([]byte, error) {
	file := struct {
		Schema  string   `json:"schema"`
		Origin  string   `json:"origin"`
		Vectors []vector `json:"vectors"`
	}{Schema: "gdstream-header-vectors/1", Origin: "gdpeer header vectors"}
	for _, d := range drafts() {
		file.Vectors = append(file.Vectors, d.vector())
	}
	text, err := json.MarshalIndent(file, "", " ")
	return append(text, '\n'), err
}

func printVectors() error {
	text, err := vectorFile()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
