resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_subnet" "a" {
  vpc_id               = aws_vpc.main.id
  cidr_block           = "10.0.1.0/24"
  availability_zone_id = data.aws_availability_zones.all.zone_ids[0]
  ipv6_cidr_block      = var.stage == "first" ? null : cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, 2)
}

data "aws_availability_zones" "all" {}
