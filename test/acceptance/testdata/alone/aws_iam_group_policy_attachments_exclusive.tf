resource "aws_iam_group" "main" {
  name = "alone-group-attachments"
}

resource "aws_iam_policy" "main" {
  name   = "alone-group-attachments"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_group_policy_attachments_exclusive" "main" {
  group_name  = aws_iam_group.main.name
  policy_arns = var.stage == "first" ? [aws_iam_policy.main.arn] : []
}
