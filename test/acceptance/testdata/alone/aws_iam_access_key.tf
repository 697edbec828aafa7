resource "aws_iam_user" "main" {
  name = "alone-key"
}

resource "aws_iam_access_key" "main" {
  user   = aws_iam_user.main.name
  status = var.stage == "first" ? "Active" : "Inactive"
}
