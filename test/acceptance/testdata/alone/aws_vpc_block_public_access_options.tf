resource "aws_vpc_block_public_access_options" "main" {
  internet_gateway_block_mode = var.stage == "first" ? "block-bidirectional" : "block-ingress"
}
