"""What a method file is written against."""
