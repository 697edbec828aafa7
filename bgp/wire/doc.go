// Package wire is BGP's messages as bytes and as values: RFC 4271 section 4, as far as
// IPv4 unicast needs it, with capabilities (RFC 5492), ASNs of four octets (RFC 6793),
// the multiprotocol attributes (RFC 4760), route refresh (RFC 2918) and the revised
// error handling of UPDATE (RFC 7606). It knows no session and no table.
//
// What is parsed is bounded by the message, of 4096 octets at most; an [Error] holds
// the NOTIFICATION that the peer is owed.
package wire
