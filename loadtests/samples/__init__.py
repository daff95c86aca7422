"""What models are asked, and how to tell whether an answer to it makes sense."""
