# As little as there can be, moved from one gateway to another.
resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.102"
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "one" {}

resource "aws_vpn_gateway" "two" {}

resource "aws_vpn_connection" "site" {
  type                = aws_customer_gateway.site.type
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = var.stage == "first" ? aws_vpn_gateway.one.id : aws_vpn_gateway.two.id
  static_routes_only  = true
}
