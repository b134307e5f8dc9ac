"""What was asked for, and what lives in this process."""
