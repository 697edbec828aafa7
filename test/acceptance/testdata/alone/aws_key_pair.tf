resource "aws_key_pair" "admin" {
  key_name_prefix = "admin-"
  public_key      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGgsAn0wHFPr5m9aVR1oNy/wG6eKW07wpWO2t1/QCsz admin@example.com"
}
