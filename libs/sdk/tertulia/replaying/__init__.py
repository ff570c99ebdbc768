"""Playing a conversation anew, through live clients: what is said, who says it, and whether everybody saw the same."""
