// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// The checksums are those measured on the real wire (docs/godoxy-facts.md, section 1).
func TestEncodeKnownChecksums(t *testing.T) {
	for _, test := range []struct {
		host, port string
		flags      byte
		checksum   string
	}{
		{"", "", flagCloseImmediately, "7d621c75"},
		{"127.0.0.1", "8080", 0, "249cedad"},
		{"example.com", "443", 0, "e89b2e09"},
	} {
		wire, err := encodeHeader(test.host, test.port, test.flags)
		if err != nil {
			t.Fatal(err)
		}
		if len(wire) != 275 {
			t.Errorf("%q: %d bytes", test.host, len(wire))
		}
		if got := hex.EncodeToString(wire[271:]); got != test.checksum {
			t.Errorf("%q: checksum %s, want %s", test.host, got, test.checksum)
		}
	}
}

func TestEncodeLayout(t *testing.T) {
	wire, err := encodeHeader("host", "65535", 0x81)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("0.1.0\x00\x00\x00\x04host"), make([]byte, 251)...)
	want = append(want, "\x0565535\x81"...)
	if !bytes.Equal(wire[:271], want) {
		t.Errorf("got %x\nwant %x", wire[:271], want)
	}
}

func TestEncodeRefusesLocally(t *testing.T) {
	if _, err := encodeHeader(strings.Repeat("a", 255), "12345", 0); err != nil {
		t.Errorf("the longest that fit: %v", err)
	}
	if _, err := encodeHeader(strings.Repeat("a", 256), "80", 0); err == nil {
		t.Error("a host of 256 bytes was encoded")
	}
	if _, err := encodeHeader("a", "domain", 0); err == nil {
		t.Error("a port of 6 bytes was encoded")
	}
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	for _, host := range []string{"", "a", "::1", "nul\x00inside", strings.Repeat("z", 255)} {
		wire, err := encodeHeader(host, "80", 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeHeader(wire)
		if err != nil || got != (request{host: host, port: "80"}) {
			t.Errorf("%q: %+v, %v", host, got, err)
		}
	}
}

// Each single bit flipped breaks the checksum or the version: none may pass.
func TestDecodeRefusesEveryFlippedBit(t *testing.T) {
	wire, err := encodeHeader("127.0.0.1", "8080", 0)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range headerSize * 8 {
		wire[bit/8] ^= 1 << (bit % 8)
		if _, err := decodeHeader(wire); !errors.Is(err, errInvalidHeader) {
			t.Errorf("byte %d bit %d: %v", bit/8, bit%8, err)
		}
		wire[bit/8] ^= 1 << (bit % 8)
	}
}

func TestDecodeAgreesWithVectors(t *testing.T) {
	names := map[string]bool{}
	for _, d := range drafts() {
		v := d.vector()
		if names[v.Name] {
			t.Errorf("%s: twice", v.Name)
		}
		names[v.Name] = true
		wire, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeHeader(wire)
		verdict := map[bool]string{false: dial, true: health}[got.health]
		switch {
		case err != nil && len(wire) < headerSize:
			verdict = more
		case err != nil:
			verdict = refuse
		}
		if verdict != v.GoDoxy {
			t.Errorf("%s: %s, want %s", v.Name, verdict, v.GoDoxy)
		}
	}
}

func TestVectorFileIsCurrent(t *testing.T) {
	want, err := vectorFile()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../data/header_vectors.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("header_vectors.json is not beside the sources")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("differs: run gdpeer header vectors > tests/data/header_vectors.json")
	}
}
