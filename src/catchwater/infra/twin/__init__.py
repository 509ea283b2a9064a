"""A cloud environment tried on one machine: Terraform's own plan made in an emulator, the handlers run, and a receipt."""
