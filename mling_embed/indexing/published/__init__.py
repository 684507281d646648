"""What is published of the rows: immutable generations that make searching fast, and how they are asked."""
