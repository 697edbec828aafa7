resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.105"
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "main" {}

resource "aws_vpn_connection" "site" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = aws_vpn_gateway.main.id
  static_routes_only  = true
}

resource "aws_vpn_connection_route" "office" {
  vpn_connection_id      = aws_vpn_connection.site.id
  destination_cidr_block = "192.168.10.0/24"
}
