package bench

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// wireguard is wireguard-go as it is published, at the version that tools/peers
// pins, on each gateway.
type wireguard struct{}

const wireguardPackage = "golang.zx2c4.com/wireguard"

func (wireguard) prepare(w *workshop) error {
	_, err := w.build("tools/peers", wireguardPackage)
	return err
}

func (wireguard) start(w *workshop, s *bed) {
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			panic(err) // crypto/rand does not fail
		}
		keys[i] = key
	}
	for i, gateway := range s.gateways {
		// The name of the control socket follows from the device's, and lies in
		// one directory for all namespaces: the gateway's name is nobody else's.
		device := gateway.Name
		p := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), "env", "LOG_LEVEL=error", w.built[wireguardPackage], "--foreground", device)
		s.processes = append(s.processes, p.Pid())
		const port = 51820
		settings := fmt.Sprintf("set=1\nprivate_key=%x\nlisten_port=%d\nreplace_peers=true\npublic_key=%x\nendpoint=%s:%[2]d\nallowed_ip=%[5]s\n\n",
			keys[i].Bytes(), port, keys[1-i].PublicKey().Bytes(), outside[1-i], lans[1-i])
		s.lab.Eventually(5*time.Second, "wireguard-go takes its configuration", func() error {
			return configureWireGuard("/var/run/wireguard/"+device+".sock", settings)
		})
		gateway.Run("ip", "link", "set", device, "mtu", strconv.Itoa(innerMTU), "up")
		gateway.Run("ip", "route", "add", lans[1-i], "dev", device)
	}
}

// configureWireGuard speaks the cross-platform user-space configuration
// protocol: lines of key=value, an empty line, and errno=0 as the answer.
func configureWireGuard(socket, settings string) error {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, settings); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := c.Read(answer)
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(string(answer[:n])); said != "errno=0" {
		return fmt.Errorf("wireguard-go answers %q", said)
	}
	return nil
}
