// SPDX-License-Identifier: MIT

// Command gdpeer is a peer of the GoDoxy agent stream protocol, both sides of it, on the stacks that
// GoDoxy itself stands on (crypto/tls and pion/dtls). It does on the wire what the measurements in
// docs/godoxy-facts.md say GoDoxy does, faults included, so that tests can meet that behaviour without
// GoDoxy. The code is this project's own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: gdpeer COMMAND [OPTIONS]

  server   agent: TLS and DTLS on one port number, GET /godoxy/agent/info
  client   tcp-health | udp-health | init | tcp-echo | udp-echo
  echo     TCP and UDP echo destination on one port number
  header   encode | vectors
  load     handshakes | echo | bulk | datagrams | headers: work for a server, and what it costs

"gdpeer COMMAND --help" lists the options.
`

// errUsage marks mistakes of the caller: exit status 2 instead of 1.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	slog.SetDefault(slog.New(newLogHandler(os.Stderr)))

	// Leaving by os.Exit is part of the behaviour: DTLS sessions must end in silence, see server.run.
	switch err := dispatch(ctx, os.Args[1:]); {
	case err == nil || errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "gdpeer: %v\n", err)
		os.Exit(2)
	default:
		if !errors.Is(err, errReported) {
			fmt.Fprintf(os.Stderr, "gdpeer: %v\n", err)
		}
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("%w: a command is needed", errUsage)
	}
	command, args := args[0], args[1:]
	switch command {
	case "server":
		return serverCommand(ctx, args)
	case "client":
		return clientCommand(ctx, args)
	case "echo":
		return echoCommand(ctx, args)
	case "header":
		return headerCommand(args)
	case "load":
		return loadCommand(ctx, args)
	case "help", "--help", "-h":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("%w: unknown command %q", errUsage, command)
}

// parseFlags refuses stray arguments, which are nearly always a forgotten dash.
func parseFlags(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: unexpected argument %q", errUsage, fs.Arg(0))
	}
	return nil
}

// newLogHandler writes one line an event, level=info msg="..." key=value, without a time: tests match it.
func newLogHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) > 0:
			case a.Key == slog.TimeKey:
				return slog.Attr{}
			case a.Key == slog.LevelKey:
				a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
			}
			return a
		},
	})
}

// printJSON writes v as one line on standard output.
func printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(line, '\n'))
	return err
}
