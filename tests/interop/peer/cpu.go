// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// cpuTime is what this process has used since it started.
type cpuTime struct {
	UserUS int64 `json:"user_us"`
	SysUS  int64 `json:"sys_us"`
}

func usedCPU() cpuTime {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return cpuTime{}
	}
	return cpuTime{
		UserUS: time.Duration(usage.Utime.Nano()).Microseconds(),
		SysUS:  time.Duration(usage.Stime.Nano()).Microseconds(),
	}
}

func (c cpuTime) since(start cpuTime) cpuTime {
	return cpuTime{UserUS: c.UserUS - start.UserUS, SysUS: c.SysUS - start.SysUS}
}

func (c cpuTime) total() int64 { return c.UserUS + c.SysUS }

// reportCPU prints the CPU time as a JSON line on each SIGUSR1, and once more when ctx ends.
func reportCPU(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	for {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-asked:
		}
		_ = printJSON(map[string]cpuTime{"cpu": usedCPU()})
		if ended {
			return
		}
	}
}
