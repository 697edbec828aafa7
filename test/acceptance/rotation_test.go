package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Given a connection with one tunnel of each version of IKE, when its pre-shared keys
// are replaced, then the customer gateway may come back with the former ones until it
// has used the new ones; and never again after that, whether the server was restarted
// or killed meanwhile.
func TestFormerKeysStayRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses, "hand_over: 30s")
	j := i.joinSite(i.createVPC("10.0.0.0/16"), s, "add")
	addresses := i.tunnelAddresses(j.connection)
	former := i.downloadOfBothVersions(j.connection)
	s.connect(former)
	i.waitForTunnels(j.connection, 2, time.Minute)

	for n, address := range addresses {
		i.call("ModifyVpnTunnelOptions", "VpnConnectionId="+j.connection, "VpnTunnelOutsideIpAddress="+address,
			fmt.Sprintf("TunnelOptions.PreSharedKey=another.key.of.tunnel.%d", n))
	}
	s.appliance.Stop()
	s.connect(former)
	i.waitForTelemetry(j.connection, "UP", "still uses the former pre-shared key")

	current := i.downloadOfBothVersions(j.connection)
	for _, end := range []struct {
		name string
		now  func()
	}{{"killed", i.kill}, {"restarted", i.stop}} {
		t.Run(end.name, func(t *testing.T) {
			s.appliance.Stop()
			s.connect(current)
			i.waitForTunnels(j.connection, 2, time.Minute)
			s.appliance.Stop()
			end.now()
			i.start()
			s.connect(former)
			i.waitForTelemetry(j.connection, "DOWN", "pre-shared key mismatch")
		})
	}
}

// tunnelAddresses are the outside addresses of a connection's tunnels, the first
// tunnel's first.
func (i *installation) tunnelAddresses(connection string) (all []string) {
	i.t.Helper()
	for _, tunnel := range i.call("DescribeVpnConnections", "VpnConnectionId.1="+connection).all("vpnConnectionSet/item/options/tunnelOptionSet/item") {
		all = append(all, tunnel.get("outsideIpAddress"))
	}
	return all
}

// downloadOfBothVersions returns a configuration by which the first tunnel speaks IKEv1
// and the second IKEv2.
func (i *installation) downloadOfBothVersions(connection string) string {
	i.t.Helper()
	text := i.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId="+connection, "VpnConnectionDeviceTypeId="+i.deviceType(),
		"InternetKeyExchangeVersion=ikev1").get("vpnConnectionDeviceSampleConfiguration")
	const v1, v2 = "ike_versions: [ikev1]", "ike_versions: [ikev2]"
	if strings.Count(text, v1) != 2 {
		i.t.Fatalf("not two tunnels of IKEv1:\n%s", text)
	}
	last := strings.LastIndex(text, v1)
	return text[:last] + v2 + text[last+len(v1):]
}

// waitForTelemetry waits until both tunnels of a connection have a status, with words
// in its message.
func (i *installation) waitForTelemetry(connection, status, words string) {
	i.t.Helper()
	i.lab.Eventually(time.Minute, "both tunnels are "+status+": "+words, func() error {
		answer, err := i.try("DescribeVpnConnections", "VpnConnectionId.1="+connection)
		if err != nil {
			return err
		}
		for _, tunnel := range answer.all("vpnConnectionSet/item/vgwTelemetry/item") {
			if got := tunnel.get("statusMessage"); tunnel.get("status") != status || !strings.Contains(got, words) {
				return fmt.Errorf("one is %s: %s", tunnel.get("status"), got)
			}
		}
		return nil
	})
}
