package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// openvpn is Debian's OpenVPN on each gateway, in user space: point to point
// over UDP with TLS, buffers as large as the system allows.
type openvpn struct {
	cipher string
}

func (openvpn) prepare(*workshop) error {
	if _, err := exec.LookPath("openvpn"); err != nil {
		return fmt.Errorf("OpenVPN is not installed: %w", err)
	}
	return nil
}

func (p openvpn) start(_ *workshop, s *bed) {
	authority, certificates, keys, err := newCertificates()
	if err != nil {
		panic(err) // the arguments are constants
	}
	for i, gateway := range s.gateways {
		file := func(name, content string) string { return s.lab.File(gateway.Name+"-"+name, content) }
		role := []string{"--tls-client"}
		if i == 1 {
			role = []string{"--tls-server", "--dh", "none"}
		}
		network, _, _ := strings.Cut(lans[1-i], "/")
		daemon := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), append([]string{"openvpn",
			"--dev-type", "tun", "--dev", "ovpn0", "--proto", "udp4", "--disable-dco",
			"--local", outside[i].String(), "--remote", outside[1-i].String(), "--port", "1194",
			"--ca", file("ca.pem", authority), "--cert", file("certificate.pem", certificates[i]), "--key", file("key.pem", keys[i]),
			"--ifconfig", "169.254.20." + strconv.Itoa(1+i), "169.254.20." + strconv.Itoa(2-i),
			"--route", network, "255.255.255.0",
			"--cipher", p.cipher, "--data-ciphers", p.cipher,
			"--tun-mtu", strconv.Itoa(innerMTU), "--mssfix", "0",
			"--sndbuf", "4194304", "--rcvbuf", "4194304", "--fast-io",
			"--reneg-sec", "0", "--verb", "1"}, role...)...)
		s.processes = append(s.processes, daemon.Pid())
	}
}

// newCertificates makes an authority and a certificate for each side, in PEM.
func newCertificates() (authority string, certificates, keys [2]string, err error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", certificates, keys, err
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, authorityKey.Public(), authorityKey)
	if err != nil {
		return "", certificates, keys, err
	}
	authority = pemOf("CERTIFICATE", der)
	for i := range certificates {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", certificates, keys, err
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: fmt.Sprintf("gateway%d", i)},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), authorityKey)
		if err != nil {
			return "", certificates, keys, err
		}
		certificates[i] = pemOf("CERTIFICATE", der)
		if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return "", certificates, keys, err
		}
		keys[i] = pemOf("PRIVATE KEY", der)
	}
	return authority, certificates, keys, nil
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
