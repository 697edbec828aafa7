package acm

import (
	"crypto/x509"
	"encoding/hex"
	"strings"

	model "causeway.dev/api/model/acm"
)

// How ACM says what stands in a certificate.

func serialText(c *x509.Certificate) string {
	digits := hex.EncodeToString(c.SerialNumber.Bytes())
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

// subjectText is the subject in the order of the certificate: "C=DE,CN=x".
func subjectText(c *x509.Certificate) string {
	words := strings.Split(c.Subject.String(), ",") // the other way round, RFC 4514 section 2.1
	for i, j := 0, len(words)-1; i < j; i, j = i+1, j-1 {
		words[i], words[j] = words[j], words[i]
	}
	return strings.Join(words, ",")
}

var signatureAlgorithms = map[x509.SignatureAlgorithm]string{
	x509.SHA1WithRSA: "SHA1WITHRSA", x509.SHA256WithRSA: "SHA256WITHRSA", x509.SHA384WithRSA: "SHA384WITHRSA", x509.SHA512WithRSA: "SHA512WITHRSA",
	x509.SHA256WithRSAPSS: "SHA256WITHRSAANDMGF1", x509.SHA384WithRSAPSS: "SHA384WITHRSAANDMGF1", x509.SHA512WithRSAPSS: "SHA512WITHRSAANDMGF1",
	x509.ECDSAWithSHA256: "SHA256WITHECDSA", x509.ECDSAWithSHA384: "SHA384WITHECDSA", x509.ECDSAWithSHA512: "SHA512WITHECDSA",
}

func signatureAlgorithm(c *x509.Certificate) string { return signatureAlgorithms[c.SignatureAlgorithm] }

var usages = []struct {
	bit  x509.KeyUsage
	name string
}{
	{x509.KeyUsageDigitalSignature, model.KeyUsageNameDIGITALSIGNATURE},
	{x509.KeyUsageContentCommitment, model.KeyUsageNameNONREPUDIATION},
	{x509.KeyUsageKeyEncipherment, model.KeyUsageNameKEYENCIPHERMENT},
	{x509.KeyUsageDataEncipherment, model.KeyUsageNameDATAENCIPHERMENT},
	{x509.KeyUsageKeyAgreement, model.KeyUsageNameKEYAGREEMENT},
	{x509.KeyUsageCertSign, model.KeyUsageNameCERTIFICATESIGNING},
	{x509.KeyUsageCRLSign, model.KeyUsageNameCRLSIGNING},
	{x509.KeyUsageEncipherOnly, model.KeyUsageNameENCIPHERONLY},
	{x509.KeyUsageDecipherOnly, model.KeyUsageNameDECIPHERONLY},
}

func keyUsageNames(c *x509.Certificate) []string {
	names := []string{}
	for _, u := range usages {
		if c.KeyUsage&u.bit != 0 {
			names = append(names, u.name)
		}
	}
	return names
}

func keyUsages(c *x509.Certificate) []model.KeyUsage {
	all := []model.KeyUsage{}
	for _, name := range keyUsageNames(c) {
		all = append(all, model.KeyUsage{Name: &name})
	}
	return all
}

var extendedUsages = map[x509.ExtKeyUsage]struct{ name, oid string }{
	x509.ExtKeyUsageAny:             {model.ExtendedKeyUsageNameANY, "2.5.29.37.0"},
	x509.ExtKeyUsageServerAuth:      {model.ExtendedKeyUsageNameTLSWEBSERVERAUTHENTICATION, "1.3.6.1.5.5.7.3.1"},
	x509.ExtKeyUsageClientAuth:      {model.ExtendedKeyUsageNameTLSWEBCLIENTAUTHENTICATION, "1.3.6.1.5.5.7.3.2"},
	x509.ExtKeyUsageCodeSigning:     {model.ExtendedKeyUsageNameCODESIGNING, "1.3.6.1.5.5.7.3.3"},
	x509.ExtKeyUsageEmailProtection: {model.ExtendedKeyUsageNameEMAILPROTECTION, "1.3.6.1.5.5.7.3.4"},
	x509.ExtKeyUsageIPSECEndSystem:  {model.ExtendedKeyUsageNameIPSECENDSYSTEM, "1.3.6.1.5.5.7.3.5"},
	x509.ExtKeyUsageIPSECTunnel:     {model.ExtendedKeyUsageNameIPSECTUNNEL, "1.3.6.1.5.5.7.3.6"},
	x509.ExtKeyUsageIPSECUser:       {model.ExtendedKeyUsageNameIPSECUSER, "1.3.6.1.5.5.7.3.7"},
	x509.ExtKeyUsageTimeStamping:    {model.ExtendedKeyUsageNameTIMESTAMPING, "1.3.6.1.5.5.7.3.8"},
	x509.ExtKeyUsageOCSPSigning:     {model.ExtendedKeyUsageNameOCSPSIGNING, "1.3.6.1.5.5.7.3.9"},
}

func extendedKeyUsages(c *x509.Certificate) []model.ExtendedKeyUsage {
	all := []model.ExtendedKeyUsage{}
	for _, u := range c.ExtKeyUsage {
		if known, ok := extendedUsages[u]; ok {
			all = append(all, model.ExtendedKeyUsage{Name: &known.name, OID: &known.oid})
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		all = append(all, model.ExtendedKeyUsage{Name: str(model.ExtendedKeyUsageNameCUSTOM), OID: str(oid.String())})
	}
	return all
}

func extendedKeyUsageNames(c *x509.Certificate) []string {
	names := []string{}
	for _, u := range extendedKeyUsages(c) {
		names = append(names, *u.Name)
	}
	return names
}
