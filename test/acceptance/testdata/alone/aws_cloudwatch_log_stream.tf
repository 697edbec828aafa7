resource "aws_cloudwatch_log_group" "main" {
  name_prefix = "/alone/stream"
}

resource "aws_cloudwatch_log_stream" "notes" {
  name           = "notes"
  log_group_name = aws_cloudwatch_log_group.main.name
}
