resource "aws_vpc" "main" {
  cidr_block                           = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block     = true
  ipv6_cidr_block_network_border_group = var.region
  enable_dns_hostnames                 = var.stage != "first"
}
