"""How each resource type of Terraform's plan is made, read and removed in the emulator: one small function each."""
