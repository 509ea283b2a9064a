"""The workflows that plan and apply the generated roots."""
