resource "aws_cloudwatch_log_group" "main" {
  name              = "/alone/group"
  retention_in_days = var.stage == "first" ? 7 : 0
}
