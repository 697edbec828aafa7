package certificates

import (
	"context"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/control/reconcile"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Lifetimes of our side's certificates in tunnels: replaced at two thirds.
const (
	TunnelLifetimeDefault = 90 * 24 * time.Hour
	TunnelLifetimeMin     = 10 * time.Second
)

// A Keeper issues what tunnels need and renews what is about to expire.
type Keeper struct {
	Store  *store.Store
	Logger *slog.Logger

	// TunnelLifetime is how long our side's certificate in a tunnel is valid;
	// TunnelLifetimeDefault if 0.
	TunnelLifetime time.Duration

	// URL is where Serve is reached from elsewhere, for the certificates to
	// name their revocation list; empty: they name none.
	URL string
}

// Run does the duties until ctx ends.
func (k Keeper) Run(ctx context.Context) error {
	if k.TunnelLifetime == 0 {
		k.TunnelLifetime = TunnelLifetimeDefault
	}
	return reconcile.Run(ctx, k.Store, k.Logger, k.keepAuthorities(), k.renewCertificates(), k.issueTunnelCertificates())
}

// keepAuthorities makes new revocation lists before the old ones are out of
// date, and gives issuers new certificates for their keys.
func (k Keeper) keepAuthorities() reconcile.Duty {
	due := func(a *resource.CertificateAuthority) time.Time {
		list, issuer := a.CRLMade.Add(crlInterval), a.Issuer.NotAfter.Add(-issuerRenewBefore)
		if issuer.Before(list) {
			return issuer
		}
		return list
	}
	return reconcile.Duty{
		Name: "keep certificate authorities",
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for a := range store.CertificateAuthorities.All(snapshot) {
					if !yield(reconcile.KeyOf(&a.Meta), due(&a)) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			a, ok := store.CertificateAuthorities.Get(tx, key.Scope, key.ID)
			if !ok || due(&a).After(now) {
				return nil
			}
			if now.After(a.Issuer.NotAfter.Add(-issuerRenewBefore)) {
				if err := renewIssuer(&a, now); err != nil {
					return err
				}
			}
			if err := makeCRL(&a, now); err != nil {
				return err
			}
			store.CertificateAuthorities.Put(tx, a)
			return nil
		},
	}
}

// renewIssuer keeps name and key, so that what the issuer signed stays valid.
func renewIssuer(a *resource.CertificateAuthority, now time.Time) error {
	root, err := openAuthority(a.Root)
	if err != nil {
		return err
	}
	issuer, err := openAuthority(a.Issuer)
	if err != nil {
		return err
	}
	renewed, err := root.Certify(issuer.Certificate.Subject, issuer.Key, now)
	if err != nil {
		return err
	}
	a.Issuer, err = storedAuthority(renewed)
	return err
}

// renewCertificates renews ACM's certificates that somebody uses: those that a
// gateway names, and those that were exported.
func (k Keeper) renewCertificates() reconcile.Duty {
	return reconcile.Duty{
		Name: "renew certificates",
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for c := range store.Certificates.All(snapshot) {
					if at := c.NotAfter.Add(-RenewBefore); c.Authority != "" && c.Revoked == nil && !yield(reconcile.KeyOf(&c.Meta), at) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			c, ok := store.Certificates.Get(tx, key.Scope, key.ID)
			if !ok || c.NotAfter.Add(-RenewBefore).After(now) || !Renewable(tx, &c) {
				return nil
			}
			p, err := Prepare(tx, key.Scope, c.Authority, pki.KeyAlgorithm(c.KeyAlgorithm), now)
			if err != nil {
				return err
			}
			return p.Renew(tx, c, k.URL, now)
		},
	}
}

// Users returns the live customer gateways that name a certificate.
func Users(r store.Reader, c *resource.Certificate) []resource.CustomerGateway {
	var users []resource.CustomerGateway
	for g := range store.CustomerGateways.List(r, store.Scope{Account: c.Account, Region: c.Region}) {
		if g.Certificate == c.ID && g.Deleted == nil {
			users = append(users, g)
		}
	}
	return users
}

// Renewable reports whether a certificate is one that is renewed.
func Renewable(r store.Reader, c *resource.Certificate) bool {
	return c.Authority != "" && c.Revoked == nil && (c.Exported || len(Users(r, c)) > 0)
}

// RequestFor is what an ACM certificate says.
func RequestFor(c *resource.Certificate, url string) pki.Request {
	return pki.Request{
		Subject: pki.Name(commonName(c.DomainName)), DNSNames: c.SubjectAlternativeNames, Lifetime: Lifetime,
		CRLURL: CRLURL(url, store.Scope{Account: c.Account, Region: c.Region}, c.Authority),
	}
}

// commonNameMax is X.520's upper bound, which devices enforce. The whole name is
// among the alternative ones anyway.
const commonNameMax = 64

func commonName(domain string) string {
	if len(domain) > commonNameMax {
		return domain[:commonNameMax]
	}
	return domain
}

// Renew replaces what is in an ACM certificate by a new one with a new key. The
// old one stays valid until it expires.
func (p *Preparation) Renew(tx *store.Tx, c resource.Certificate, url string, now time.Time) error {
	issued, err := p.Issue(tx, RequestFor(&c, url), now)
	if err != nil {
		return err
	}
	leaf, err := pki.ParseCertificate(c.Leaf)
	if err != nil {
		return err
	}
	c.Former = append(slices.DeleteFunc(slices.Clone(c.Former), func(f resource.FormerCertificate) bool { return now.After(f.NotAfter) }), formerOf(leaf))
	issued.Into(&c)
	c.Renewed = new(now.UTC().Truncate(time.Millisecond))
	store.Certificates.Put(tx, c)
	return nil
}

// Into writes what was issued into a certificate.
func (i Issued) Into(c *resource.Certificate) {
	c.Authority, c.Leaf, c.Chain, c.PrivateKey, c.NotBefore, c.NotAfter = i.Authority, i.Leaf, i.Chain, i.PrivateKey, i.NotBefore, i.NotAfter
}

// issueTunnelCertificates gives our side of every tunnel that authenticates by
// certificates its own, replaces it in time, and removes those of tunnels that
// are gone.
func (k Keeper) issueTunnelCertificates() reconcile.Duty {
	return reconcile.Duty{
		Name: "issue tunnels' certificates",
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for connection := range store.VPNConnections.All(snapshot) {
					scope := reconcile.KeyOf(&connection.Meta).Scope
					if _, ok := deviceCertificate(snapshot, scope, &connection); !ok {
						continue
					}
					for number := 1; number <= len(connection.Tunnels); number++ {
						key := reconcile.Key{Scope: scope, ID: resource.TunnelID(connection.ID, number)}
						present, ok := store.TunnelCertificates.Get(snapshot, scope, key.ID)
						if at := rotation(&present, ok); !yield(key, at) {
							return
						}
					}
				}
				for c := range store.TunnelCertificates.All(snapshot) {
					key := reconcile.KeyOf(&c.Meta)
					if _, _, _, wanted := k.wanted(snapshot, key); !wanted && !yield(key, time.Time{}) {
						return
					}
				}
			}
		},
		Do: k.issueTunnelCertificate,
	}
}

// rotation is when a tunnel's certificate is replaced: at two thirds of its life,
// at once if there is none or somebody asks for another.
func rotation(c *resource.TunnelCertificate, ok bool) time.Time {
	if !ok || c.Replace {
		return time.Time{}
	}
	return c.Issued.Add(c.NotAfter.Sub(c.Issued) * 2 / 3)
}

// deviceCertificate returns the certificate of the customer gateway of a
// connection that is not deleted, if it authenticates by one.
func deviceCertificate(r store.Reader, scope store.Scope, connection *resource.VPNConnection) (resource.Certificate, bool) {
	if connection.Deleted != nil {
		return resource.Certificate{}, false
	}
	g, ok := store.CustomerGateways.Get(r, scope, connection.CustomerGateway)
	if !ok || g.Certificate == "" {
		return resource.Certificate{}, false
	}
	return store.Certificates.Get(r, scope, g.Certificate)
}

// wanted returns the tunnel that a key names, with the device's certificate, if
// it needs one of ours.
func (k Keeper) wanted(r store.Reader, key reconcile.Key) (connection resource.VPNConnection, number int, device resource.Certificate, ok bool) {
	id, last, _ := strings.Cut(key.ID, "/")
	number, _ = strconv.Atoi(last) // 0, which no tunnel has, for what is no number
	connection, ok = store.VPNConnections.Get(r, key.Scope, id)
	if !ok || number < 1 || number > len(connection.Tunnels) {
		return connection, number, device, false
	}
	device, ok = deviceCertificate(r, key.Scope, &connection)
	return connection, number, device, ok
}

func (k Keeper) issueTunnelCertificate(tx *store.Tx, key reconcile.Key, now time.Time) error {
	connection, number, device, ok := k.wanted(tx, key)
	if !ok {
		store.TunnelCertificates.Delete(tx, key.Scope, key.ID)
		return nil
	}
	if present, ok := store.TunnelCertificates.Get(tx, key.Scope, key.ID); rotation(&present, ok).After(now) {
		return nil
	}
	// Keys like the device's: IKEv1 has one method for both sides, by family
	// and curve, and some devices know one family only.
	algorithm := pki.KeyAlgorithm(device.KeyAlgorithm)
	if algorithm.IsRSA() {
		algorithm = pki.RSA2048
	}
	p, err := Prepare(tx, key.Scope, Family(algorithm), algorithm, now)
	if err != nil {
		return err
	}
	name := resource.TunnelCertificateName(connection.ID, number)
	issued, err := p.Issue(tx, pki.Request{
		Subject: pki.Name(name), DNSNames: []string{name}, Addresses: []netip.Addr{connection.Tunnels[number-1].OutsideAddress},
		Lifetime: k.TunnelLifetime, CRLURL: CRLURL(k.URL, key.Scope, Family(algorithm)),
	}, now)
	if err != nil {
		return err
	}
	store.TunnelCertificates.Put(tx, resource.TunnelCertificate{
		Meta:      resource.Meta{ID: key.ID, Account: key.Account, Region: key.Region, Created: now.UTC().Truncate(time.Millisecond)},
		Authority: issued.Authority, Leaf: issued.Leaf, Chain: issued.Chain, PrivateKey: issued.PrivateKey,
		Issued: now.UTC().Truncate(time.Millisecond), NotAfter: issued.NotAfter,
	})
	k.Logger.Info("issued a tunnel's certificate", "tunnel", key.ID, "not_after", issued.NotAfter)
	return nil
}
