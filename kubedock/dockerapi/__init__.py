"""Docker's dialect: bodies and queries to our words, our words to replies. Pure."""
