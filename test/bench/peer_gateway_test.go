package bench

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/netlab"
)

// gateways are the product's tunnels in a program of the benchmark, named like
// this, beside this file.
type gateways struct {
	tunnels int
	esp     string // proposal, or "null"
	profile string // directory for a CPU profile of each; empty: none
}

const gatewayPackage = "causeway.dev/test/bench/gateway"

func (gateways) prepare(w *workshop) error {
	_, err := w.build("", gatewayPackage)
	return err
}

func (p gateways) start(w *workshop, s *bed) {
	begin := time.Now()
	s.addBehind()
	var running []*netlab.Process
	for i, gateway := range s.gateways {
		// An idle tunnel has no packets: IPv6 would announce itself on each device.
		gateway.Run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
		argv := []string{w.built[gatewayPackage],
			"-local", outside[i].String(), "-remote", outside[1-i].String(), "-tunnels", strconv.Itoa(p.tunnels), "-esp", p.esp,
			"-network", lans[1-i], "-behind", behind(1-i, 0).String() + "/16", "-mtu", strconv.Itoa(innerMTU)}
		if i == 0 {
			argv = append(argv, "-start")
		}
		if p.profile != "" {
			argv = append(argv, "-profile", filepath.Join(p.profile, profiles[i]))
		}
		g := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), argv...)
		s.tb.Cleanup(func() {
			if _, err := gateway.Try("ip", "link", "delete", "group", "1"); err != nil {
				s.tb.Log(err) // it has ended, and the devices with it
			}
			g.Kill()
		})
		running = append(running, g)
		s.processes = append(s.processes, g.Pid())
	}
	for _, g := range running {
		s.lab.Eventually(2*time.Minute, s.kind.name+" is up", func() error {
			if !strings.Contains(g.Log(), "up\n") {
				return errors.New("not all tunnels are up")
			}
			return nil
		})
	}
	s.established = time.Since(begin)
	s.stop = func() {
		for _, g := range running {
			g.Stop()
		}
	}
}
