resource "aws_customer_gateway" "site" {
  type        = "ipsec.1"
  ip_address  = "172.83.124.10"
  bgp_asn     = 65000
  device_name = "router"
}

resource "aws_customer_gateway" "large" {
  type             = "ipsec.1"
  ip_address       = "172.83.124.11"
  bgp_asn_extended = 4200000000
}
