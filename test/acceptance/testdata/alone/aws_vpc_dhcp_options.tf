resource "aws_vpc_dhcp_options" "main" {
  domain_name                       = "example.internal"
  domain_name_servers               = ["10.0.0.2", "AmazonProvidedDNS"]
  ntp_servers                       = ["169.254.169.123"]
  netbios_name_servers              = ["10.0.0.9"]
  netbios_node_type                 = 2
  ipv6_address_preferred_lease_time = 1440
}
