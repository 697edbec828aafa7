package bench

import (
	"os/exec"
	"strings"
)

// peerVersions asks what is installed and what tools/peers pins.
func peerVersions() map[string]string {
	versions := map[string]string{}
	for name, argv := range map[string][]string{
		"strongSwan":   {"dpkg-query", "-W", "-f", "${Version}", "strongswan-charon"},
		"OpenVPN":      {"dpkg-query", "-W", "-f", "${Version}", "openvpn"},
		"iperf3":       {"dpkg-query", "-W", "-f", "${Version}", "iperf3"},
		"wireguard-go": {"go", "-C", "../../tools/peers", "list", "-m", "-f", "{{.Version}}", wireguardPackage},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).Output(); err == nil {
			versions[name] = strings.TrimSpace(string(out))
		}
	}
	return versions
}
