"""People: sheets of pairs that people score as the judge does, and what follows from their scores."""
