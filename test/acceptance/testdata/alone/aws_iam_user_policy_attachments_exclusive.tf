resource "aws_iam_user" "main" {
  name = "alone-user-attachments"
}

resource "aws_iam_policy" "main" {
  name   = "alone-user-attachments"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_user_policy_attachments_exclusive" "main" {
  user_name   = aws_iam_user.main.name
  policy_arns = var.stage == "first" ? [aws_iam_policy.main.arn] : []
}
