resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.0.1.0/24"
  availability_zone       = "${var.region}b"
  map_public_ip_on_launch = var.stage != "first"

  private_dns_hostname_type_on_launch         = var.stage == "first" ? "ip-name" : "resource-name"
  enable_resource_name_dns_a_record_on_launch = var.stage != "first"
}
