resource "aws_default_subnet" "a" {
  availability_zone       = "${var.region}a"
  map_public_ip_on_launch = var.stage != "first"
}
