resource "aws_iam_role" "main" {
  name = "alone-profile"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role" "other" {
  name               = "alone-profile-other"
  assume_role_policy = aws_iam_role.main.assume_role_policy
}

resource "aws_iam_instance_profile" "main" {
  name = "alone"
  role = var.stage == "first" ? aws_iam_role.main.name : aws_iam_role.other.name
}
