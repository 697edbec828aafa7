# Dynamic routing, which a connection has where nobody says otherwise, between ASNs of
# both sizes; led to another device later.
resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.107"
  bgp_asn    = 65010
}

resource "aws_customer_gateway" "moved" {
  type             = "ipsec.1"
  ip_address       = "192.0.2.108"
  bgp_asn_extended = 4200000010
}

resource "aws_vpn_gateway" "main" {
  amazon_side_asn = 4200000001
}

resource "aws_vpn_connection" "site" {
  type                    = "ipsec.1"
  customer_gateway_id     = var.stage == "first" ? aws_customer_gateway.site.id : aws_customer_gateway.moved.id
  vpn_gateway_id          = aws_vpn_gateway.main.id
  local_ipv4_network_cidr = var.stage == "first" ? "0.0.0.0/0" : "172.16.0.0/12"

  tunnel1_inside_cidr         = "169.254.40.0/30"
  tunnel1_dpd_timeout_seconds = var.stage == "first" ? 30 : 45
  tunnel2_ike_versions        = var.stage == "first" ? ["ikev1", "ikev2"] : ["ikev2"]

  lifecycle {
    postcondition {
      condition = (!self.static_routes_only && self.tunnel1_bgp_asn == "4200000001" && self.tunnel1_bgp_holdtime == 30 &&
      self.tunnel2_bgp_asn == "4200000001" && self.tunnel2_bgp_holdtime == 30 && self.tunnel1_vgw_inside_address == "169.254.40.1")
      error_message = "The document does not tell of BGP."
    }
  }
}

resource "aws_vpn_connection" "asked" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = aws_vpn_gateway.main.id
  static_routes_only  = false
}
