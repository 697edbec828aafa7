resource "aws_iam_role" "main" {
  name_prefix           = "alone-"
  path                  = "/team/"
  description           = "the ${var.stage}"
  max_session_duration  = var.stage == "first" ? 3600 : 7200
  force_detach_policies = true

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = var.stage == "first" ? "ec2.amazonaws.com" : "vpc-flow-logs.amazonaws.com" } }]
  })
}
