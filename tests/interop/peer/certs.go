// SPDX-License-Identifier: MIT

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
)

// serverName is what every agent certificate carries and every client verifies (CERT-01, TLS-04).
const serverName = "godoxy.agent"

type identityFlags struct{ ca, cert, key string }

type identity struct {
	pool *x509.CertPool
	leaf tls.Certificate
}

func (f *identityFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.ca, "ca", "", "PEM `file` with the CA that the other side is verified against")
	fs.StringVar(&f.cert, "cert", "", "PEM `file` with our own certificate")
	fs.StringVar(&f.key, "key", "", "PEM `file` with our own private key")
}

func (f *identityFlags) load() (*identity, error) {
	if f.ca == "" || f.cert == "" || f.key == "" {
		return nil, fmt.Errorf("%w: --ca, --cert and --key are needed", errUsage)
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, err
	}
	id := &identity{pool: x509.NewCertPool()}
	if !id.pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(f.ca + ": no certificate in it")
	}
	if id.leaf, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
		return nil, fmt.Errorf("%s, %s: %w", f.cert, f.key, err)
	}
	return id, nil
}

// tlsVersion is a flag value: 1.0 to 1.3.
type tlsVersion uint16

func (v *tlsVersion) String() string {
	if *v == 0 {
		return ""
	}
	return fmt.Sprintf("1.%d", uint16(*v)-tls.VersionTLS10)
}

func (v *tlsVersion) Set(text string) error {
	for number := uint16(tls.VersionTLS10); number <= tls.VersionTLS13; number++ {
		if text == fmt.Sprintf("1.%d", number-tls.VersionTLS10) {
			*v = tlsVersion(number)
			return nil
		}
	}
	return fmt.Errorf("want 1.0, 1.1, 1.2 or 1.3")
}
