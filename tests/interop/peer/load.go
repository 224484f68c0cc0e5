// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"time"
)

// megabyte is the unit of bulk: what "µs a MB" divides by.
const megabyte = 1_000_000

// load is work of one kind for a server. Without --dest the generator is its own destination, so that
// beside the server under test one process runs, and not two.
type load struct {
	client
	connections, count int
	bytes              int64
	rate               float64
	down               bool
	transport          string

	lock      sync.Mutex
	latencies []time.Duration
	lost      int
}

// loadOutcome is the one line on standard output. CPU is the generator's own; the server's is asked of
// the server, or of the kernel.
type loadOutcome struct {
	OK           bool    `json:"ok"`
	Command      string  `json:"command"`
	Unit         string  `json:"unit"`
	Units        float64 `json:"units"`
	Lost         int     `json:"lost"`
	Error        string  `json:"error"`
	ElapsedMS    float64 `json:"elapsed_ms"`
	CPU          cpuTime `json:"cpu"`
	CPUUSPerUnit float64 `json:"cpu_us_per_unit"`
	P50US        float64 `json:"p50_us,omitempty"`
	P99US        float64 `json:"p99_us,omitempty"`
}

func loadCommand(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: load handshakes, echo, bulk, datagrams or headers", errUsage)
	}
	var ids identityFlags
	l := load{}
	command := args[0]
	fs := flag.NewFlagSet("gdpeer load "+command, flag.ContinueOnError)
	ids.register(fs)
	fs.StringVar(&l.address, "addr", "", "`host:port` of the server")
	fs.StringVar(&l.dest, "dest", "", "`host:port` of an echo destination (default: one of our own)")
	fs.IntVar(&l.connections, "connections", 1, "how many at once")
	fs.IntVar(&l.count, "count", 1000, "handshakes or round trips in all")
	fs.Int64Var(&l.bytes, "bytes", 100*megabyte, "of bulk in all")
	fs.Float64Var(&l.rate, "rate", 0, "units a second in all, 0: as fast as answers come")
	fs.IntVar(&l.size, "size", 64, "`bytes` of a payload")
	fs.BoolVar(&l.down, "down", false, "bulk runs from the destination to the client")
	fs.StringVar(&l.transport, "transport", "tcp", "of handshakes: `tcp or udp`")
	fs.DurationVar(&l.timeout, "timeout", time.Minute, "time limit of all of it")
	fs.Var(&l.tlsMax, "tls-max", "highest TLS `version`")
	if err := parseFlags(fs, args[1:]); err != nil {
		return err
	}
	work, unit := l.pick(command)
	switch {
	case work == nil:
		return fmt.Errorf("%w: unknown command load %q", errUsage, command)
	case l.connections < 1 || l.count < 1 || l.bytes < 1 || l.rate < 0 || l.size < 1 || l.timeout <= 0:
		return fmt.Errorf("%w: counts, sizes and the time limit are positive", errUsage)
	case l.transport != "tcp" && l.transport != "udp":
		return fmt.Errorf("%w: --transport is tcp or udp", errUsage)
	case command == "bulk" && l.dest != "":
		return fmt.Errorf("%w: bulk runs one way, and --dest is an echo", errUsage)
	case l.address == "" && command != "headers":
		return fmt.Errorf("%w: --addr is needed", errUsage)
	}
	if command != "headers" {
		var err error
		if l.id, err = ids.load(); err != nil {
			return err
		}
	}
	// The baseline's key share (see tests/bench): Go's default would add a post-quantum one, which no
	// server here but Go's own takes.
	l.curves = []tls.CurveID{tls.X25519}
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	result := loadOutcome{Command: command, Unit: unit}
	if err := l.measure(limited, &result, work); err != nil {
		result.Error = err.Error()
	}
	result.OK = result.Error == ""
	if err := printJSON(result); err != nil || result.OK {
		return err
	}
	return errReported
}

// job does its work and says how many units that were. It calls begin when all is set up; what is before
// that is not counted.
type job func(ctx context.Context, begin func()) (units float64, err error)

func (l *load) pick(command string) (job, string) {
	switch command {
	case "handshakes":
		return l.handshakes, "handshake"
	case "echo":
		return l.echo, "round trip"
	case "datagrams":
		return l.datagrams, "round trip"
	case "bulk":
		return l.bulk, "MB"
	case "headers":
		return l.headers, "header"
	}
	return nil, ""
}

func (l *load) measure(ctx context.Context, result *loadOutcome, work job) error {
	var start time.Time
	var cpu cpuTime
	units, err := work(ctx, func() { start, cpu = time.Now(), usedCPU() })
	if start.IsZero() {
		return err
	}
	result.Units, result.Lost = units, l.lost
	result.CPU = usedCPU().since(cpu)
	result.ElapsedMS = float64(time.Since(start).Microseconds()) / 1000
	if units > 0 {
		result.CPUUSPerUnit = float64(result.CPU.total()) / units
	}
	slices.Sort(l.latencies)
	if n := len(l.latencies); n > 0 {
		result.P50US = float64(l.latencies[n/2].Nanoseconds()) / 1000
		result.P99US = float64(l.latencies[n*99/100].Nanoseconds()) / 1000
	}
	return err
}

// handshakes: each is a health check that is read to the end, so that the server has done all of it.
func (l *load) handshakes(ctx context.Context, begin func()) (float64, error) {
	dial := l.dialTCP
	if l.transport == "udp" {
		dial = l.dialUDP
	}
	l.read = true
	begin()
	return l.spread(ctx, func(ctx context.Context, _ int) error { return l.health(ctx, dial) })
}

// headers: the check alone, in this process.
func (l *load) headers(_ context.Context, begin func()) (float64, error) {
	wire, err := encodeHeader("example.com", "443", 0)
	if err != nil {
		return 0, err
	}
	begin()
	for range l.count {
		if checkHeader(wire) != nil {
			return 0, errors.New("the header is refused")
		}
	}
	return float64(l.count), nil
}

// spread has each of the connections, known by its index, do its share of count units, paced when there
// is a rate. The first error ends all of it.
func (l *load) spread(ctx context.Context, once func(context.Context, int) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	done := make([]int, l.connections)
	start := time.Now()
	for i := range l.connections {
		share := l.count / l.connections
		if i < l.count%l.connections {
			share++
		}
		workers.Add(1)
		go func() {
			defer workers.Done()
			latencies := make([]time.Duration, 0, share)
			for n := range share {
				if !l.wait(ctx, start, n*l.connections+i) {
					break
				}
				before := time.Now()
				if err := once(ctx, i); err != nil {
					cancel(err)
					break
				}
				latencies = append(latencies, time.Since(before))
				done[i]++
			}
			l.lock.Lock()
			l.latencies = append(l.latencies, latencies...)
			l.lock.Unlock()
		}()
	}
	workers.Wait()
	units := 0
	for _, n := range done {
		units += n
	}
	return float64(units), context.Cause(ctx)
}

// wait until the unit with this number is due; false when all is over.
func (l *load) wait(ctx context.Context, start time.Time, number int) bool {
	if l.rate > 0 {
		due := start.Add(time.Duration(float64(number) / l.rate * float64(time.Second)))
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(due)):
		}
	}
	return ctx.Err() == nil
}
