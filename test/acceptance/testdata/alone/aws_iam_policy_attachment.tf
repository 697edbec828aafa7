resource "aws_iam_user" "main" {
  name = "alone-attached"
}

resource "aws_iam_role" "main" {
  name = "alone-attached"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_group" "main" {
  name = "alone-attached"
}

resource "aws_iam_policy" "main" {
  name   = "alone-attached"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_policy_attachment" "main" {
  name       = "alone"
  users      = [aws_iam_user.main.name]
  roles      = var.stage == "first" ? [aws_iam_role.main.name] : []
  groups     = [aws_iam_group.main.name]
  policy_arn = aws_iam_policy.main.arn
}
