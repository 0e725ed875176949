"""What users inherit."""
