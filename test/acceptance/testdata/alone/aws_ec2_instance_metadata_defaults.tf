resource "aws_ec2_instance_metadata_defaults" "all" {
  http_put_response_hop_limit = var.stage == "first" ? 1 : 2
  instance_metadata_tags      = "enabled"
}
