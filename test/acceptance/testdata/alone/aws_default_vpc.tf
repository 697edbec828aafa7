resource "aws_default_vpc" "main" {
  enable_network_address_usage_metrics = var.stage != "first"
}
