"""A cloud environment tried on one machine: Terraform's plan made in an emulator, the handlers run, a receipt."""
