package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"causeway.dev/pki"
)

const (
	// fetchMax bounds one request, from the name's look-up to the last byte.
	fetchMax = 10 * time.Second

	// placesMax is how many of the places that a certificate names are tried.
	placesMax = 4

	// listsMax bounds how many lists are held in memory, listsBytesMax how long
	// all of them are; in memory they take up to ten times as much.
	listsMax      = 64
	listsBytesMax = 16 << 20
)

// list is a revocation list as it was last fetched.
type list struct {
	crl *pki.CRL
	at  time.Time
}

// lookUp asks OCSP first, whose answers are small, then the lists.
func (s *Service) lookUp(ctx context.Context, certificate, issuer *x509.Certificate) (pki.Status, time.Time) {
	var troubles []string
	for _, place := range certificate.OCSPServer[:min(len(certificate.OCSPServer), placesMax)] {
		status, until, err := s.askOCSP(ctx, place, certificate, issuer)
		if err == nil {
			return status, until
		}
		troubles = append(troubles, fmt.Sprintf("OCSP at %.200s: %v", place, err))
	}
	for _, place := range certificate.CRLDistributionPoints[:min(len(certificate.CRLDistributionPoints), placesMax)] {
		status, until, err := s.askList(ctx, place, certificate, issuer)
		if err == nil {
			return status, until
		}
		troubles = append(troubles, fmt.Sprintf("the revocation list at %.200s: %v", place, err))
	}
	return pki.Status{Trouble: strings.Join(troubles, "; ")}, time.Time{}
}

func (s *Service) askOCSP(ctx context.Context, place string, certificate, issuer *x509.Certificate) (pki.Status, time.Time, error) {
	question, err := pki.OCSPRequest(certificate, issuer)
	if err != nil {
		return pki.Status{}, time.Time{}, err
	}
	answer, err := s.fetch(ctx, http.MethodPost, place, question, pki.OCSPBytesMax)
	if err != nil {
		return pki.Status{}, time.Time{}, err
	}
	return pki.ParseOCSP(answer, certificate, issuer, s.now())
}

func (s *Service) askList(ctx context.Context, place string, certificate, issuer *x509.Certificate) (pki.Status, time.Time, error) {
	crl, err := s.fetchList(ctx, place)
	if err != nil {
		return pki.Status{}, time.Time{}, err
	}
	if !crl.Covers(certificate, issuer) {
		return pki.Status{}, time.Time{}, fmt.Errorf("it is not signed by %s, or not meant for such certificates", pki.NameOf(issuer))
	}
	if r, revoked := crl.Lookup(certificate); revoked {
		return pki.Status{Known: true, Revoked: &r}, crl.NextUpdate(), nil
	}
	until := crl.NextUpdate()
	if until.IsZero() {
		until = s.now().Add(refreshMax)
	}
	if !s.now().Before(until) {
		return pki.Status{}, time.Time{}, fmt.Errorf("it is out of date since %s", until.UTC().Format(time.RFC3339))
	}
	return pki.Status{Known: true}, until, nil
}

// fetchList fetches a list unless it was fetched a moment ago: many certificates
// share one.
func (s *Service) fetchList(ctx context.Context, place string) (*pki.CRL, error) {
	s.mu.Lock()
	known := s.lists[place]
	s.mu.Unlock()
	if known != nil && s.now().Sub(known.at) < refreshMin {
		return known.crl, nil
	}
	body, err := s.fetch(ctx, http.MethodGet, place, nil, pki.CRLBytesMax)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(body); block != nil && block.Type == "X509 CRL" {
		body = block.Bytes
	}
	crl, err := pki.ParseCRL(body)
	if err != nil {
		return nil, err
	}
	s.hold(place, crl)
	return crl, nil
}

// hold remembers a list for a moment, if there is room.
func (s *Service) hold(place string, crl *pki.CRL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lists, place)
	octets := len(crl.Raw())
	for _, l := range s.lists {
		octets += len(l.crl.Raw())
	}
	if len(s.lists) < listsMax && octets <= listsBytesMax {
		s.lists[place] = &list{crl, s.now()}
	}
}

// forgetLists drops the lists that would be fetched again anyway. mu is held.
func (s *Service) forgetLists(now time.Time) {
	for place, l := range s.lists {
		if now.Sub(l.at) >= refreshMin {
			delete(s.lists, place)
		}
	}
}

// fetch returns the body of an answer with status 200, of most bytes.
func (s *Service) fetch(ctx context.Context, method, place string, body []byte, most int64) ([]byte, error) {
	if u, err := url.Parse(place); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("it is not fetched: only http and https are")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchMax)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, place, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/ocsp-request")
	}
	response, err := s.client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address once more
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %.100q", response.Status) // the server's own words
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(answer)) > most {
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return answer, nil
}

// outsideClient reaches no loopback, link-local or multicast address: the URLs in
// certificates are those of whoever wrote them.
func outsideClient() *http.Client {
	dialer := &net.Dialer{Timeout: fetchMax, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := at.Addr().Unmap(); a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() {
			return fmt.Errorf("%v is not asked: it belongs to this host or its links", a)
		}
		return nil
	}}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConns: atOnce, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: fetchMax},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
