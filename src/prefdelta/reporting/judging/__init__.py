"""How far what rests on the judge would hold under another judging."""
