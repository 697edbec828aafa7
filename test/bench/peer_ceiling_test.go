package bench

import (
	"strconv"
	"time"
)

// ceiling is the program of this name beside this file: what the kernel's TUN
// and sockets allow a program that does nothing but carry.
type ceiling struct{}

const ceilingPackage = "causeway.dev/test/bench/ceiling"

func (ceiling) prepare(w *workshop) error {
	_, err := w.build("", ceilingPackage)
	return err
}

func (ceiling) start(w *workshop, s *bed) {
	for i, gateway := range s.gateways {
		const port = ":4500"
		p := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), w.built[ceilingPackage],
			"-tun", "tun0", "-local", outside[i].String()+port, "-remote", outside[1-i].String()+port)
		s.processes = append(s.processes, p.Pid())
		s.lab.Eventually(5*time.Second, "the ceiling's TUN is there", func() error {
			_, err := gateway.Try("ip", "link", "set", "tun0", "mtu", strconv.Itoa(innerMTU), "up")
			return err
		})
		gateway.Run("ip", "route", "add", lans[1-i], "dev", "tun0")
	}
}
