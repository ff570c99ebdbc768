"""What `deploy` holds says what the code asks for."""
