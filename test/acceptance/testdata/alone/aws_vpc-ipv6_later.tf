# A VPC that is given IPv6, later.
resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = var.stage != "first"
}
